"""Which deployments serve a model name, and which names a configuration serves.

An exact name beats an alias, an alias beats a wildcard, and among wildcards the one with the most
literal characters wins. A wildcard is one `*`, which stands for one or more characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from puna.config.schema import DeploymentConfig, GatewayConfig

WILDCARD = "*"


def match_name(pattern: str, name: str) -> str | None:
    """The part of `name` that the `*` of `pattern` matches; None if the two do not match.

    A pattern without `*` matches only itself, and gives an empty text.
    """
    prefix, star, suffix = pattern.partition(WILDCARD)
    if not star:
        return "" if pattern == name else None
    if len(name) <= len(prefix) + len(suffix):
        return None
    if not (name.startswith(prefix) and name.endswith(suffix)):
        return None
    return name[len(prefix) : len(name) - len(suffix)]


def substitute(model_pattern: str, captured: str) -> str:
    """The pattern with its `*` replaced by `captured`; without a `*` the pattern itself."""
    return model_pattern.replace(WILDCARD, captured, 1)


def find_deployments(
    deployments: Sequence[DeploymentConfig], name: str, aliases: Mapping[str, str]
) -> tuple[DeploymentConfig, ...]:
    """The deployments that serve `name`, in their written order; empty if none does.

    Each has a concrete `model`; `public_name` stays as written. `aliases` maps a name to another,
    once: an alias of an alias is not followed. No deployment serves a name that holds a `*`.
    """
    if WILDCARD in name:
        return ()
    exact = _find_exact(deployments, name)
    if exact:
        return exact
    target = aliases.get(name, name)
    return _find_exact(deployments, target) or _find_wildcard(deployments, target)


def expand_names(config: GatewayConfig, known_models: Iterable[str]) -> tuple[str, ...]:
    """Every name to list: exact names, visible aliases, then what the wildcards stand for.

    `known_models` are `provider/model` names. A wildcard lists each known model that its own
    `model` pattern can reach, by the public name a caller would ask for. A wildcard over a fixed
    model lists nothing: any name would do.
    """
    known = tuple(known_models)
    names: dict[str, None] = {}
    for deployment in config.deployments:
        if WILDCARD not in deployment.public_name:
            names[deployment.public_name] = None
    for alias in config.router.model_group_alias:
        if alias not in config.router.hidden_aliases:
            names[alias] = None
    for deployment in config.deployments:
        if WILDCARD in deployment.public_name and WILDCARD in deployment.model:
            for model in known:
                captured = match_name(deployment.model, model)
                if captured is not None:
                    names[substitute(deployment.public_name, captured)] = None
    return tuple(names)


def _find_exact(deployments: Sequence[DeploymentConfig], name: str) -> tuple[DeploymentConfig, ...]:
    """The deployments with exactly this name."""
    return tuple(one for one in deployments if one.public_name == name)


def _find_wildcard(
    deployments: Sequence[DeploymentConfig], name: str
) -> tuple[DeploymentConfig, ...]:
    """The deployments of the best matching wildcard, with their models filled in."""
    found: dict[str, list[DeploymentConfig]] = {}
    for deployment in deployments:
        captured = match_name(deployment.public_name, name)
        if captured:
            concrete = replace(deployment, model=substitute(deployment.model, captured))
            found.setdefault(deployment.public_name, []).append(concrete)
    if not found:
        return ()
    return tuple(found[max(found, key=_rank_pattern)])


def _rank_pattern(pattern: str) -> tuple[int, int]:
    """More literal characters first; of two equals the one with more of them before the `*`."""
    return len(pattern), pattern.index(WILDCARD)
