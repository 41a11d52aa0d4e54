"""Reads LiteLLM's `router_settings` (retries, fallbacks, aliases), and checks the names in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from puna.config.environment import KeyPath
from puna.config.litellm_keys import STRATEGIES
from puna.config.matching import find_deployments
from puna.config.options import as_attributes, read_options
from puna.config.reading import Section, Source, nearest
from puna.config.schema import DeploymentConfig, Notice, RouterConfig
from puna.config.yaml_source import format_path, printable
from puna.types.option_kinds import Scope


def read_router(section: Section, settings: Section) -> tuple[RouterConfig, list[Notice]]:
    """Read `router_settings`, with the fallbacks that `litellm_settings` may hold instead."""
    notices: list[Notice] = []
    strategy = section.text("routing_strategy") or STRATEGIES[0]
    if strategy not in STRATEGIES:
        near = nearest(strategy, STRATEGIES)
        hint = f": did you mean `{near}`?" if near else f": use one of {', '.join(STRATEGIES)}"
        path = section.at("routing_strategy")
        text = f"`{format_path(path)}` names no strategy that is known{hint}"
        section.source.refuse(section.source.error(path, text))
    elif strategy != STRATEGIES[0]:
        text = f"the strategy `{strategy}` is not built in Puna yet: read as `{STRATEGIES[0]}`"
        notices.append(section.source.notice(section.at("routing_strategy"), text))
    lists: dict[str, Any] = {}
    for key in ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks"):
        giver = section if section.values.get(key) is not None else settings
        lists[key] = _read_fallbacks(giver, key, notices)
    defaults = section.names("default_fallbacks") or settings.names("default_fallbacks")
    for_every_name = lists["fallbacks"].pop("*", ())
    aliases, hidden = _read_aliases(section)
    given = read_options(section, Scope.ROUTER)
    given.setdefault("num_retries", given.pop("max_retries", None))
    router = RouterConfig(
        default_fallbacks=defaults or for_every_name,
        model_group_alias=aliases,
        hidden_aliases=hidden,
        **lists,
        **as_attributes(given),
    )
    return router, notices


def _read_fallbacks(
    section: Section, key: str, notices: list[Notice]
) -> dict[str, tuple[str, ...]]:
    """Read `[{name: [other, …]}, …]`, or one mapping; the first list for a name counts."""
    found = section.values.get(key)
    path = section.at(key)
    parts = found if isinstance(found, list) else [found]
    result: dict[str, tuple[str, ...]] = {}
    for index, part in enumerate(parts):
        at = (*path, index) if isinstance(found, list) else path
        if part is None:
            continue
        if not isinstance(part, dict):
            expected = "a mapping of a model name to a list of names"
            section.source.refuse(section.source.wrong(at, expected, part))
            continue
        for name, names in part.items():
            if name in result:
                text = (
                    f"`{format_path(path)}` lists `{printable(name)}` again: the first list counts"
                )
                notices.append(section.source.notice((*at, name), text))
                continue
            result[name] = section.names_at((*at, name), names)
    return result


def _read_aliases(section: Section) -> tuple[dict[str, str], tuple[str, ...]]:
    """The aliases, and those of them that are not listed.

    A value is a name or `{model, hidden}`.
    """
    aliases: dict[str, str] = {}
    hidden: list[str] = []
    inner = section.section("model_group_alias")
    for alias, value in inner.values.items():
        target: str | None
        if isinstance(value, dict):
            entry = inner.section(alias)
            target = entry.text("model")
            if entry.flag("hidden"):
                hidden.append(alias)
        else:
            target = inner.text(alias)
        if not target:
            text = f"`{format_path(inner.at(alias))}` must name a model"
            inner.source.refuse(inner.source.error(inner.at(alias), text))
            continue
        aliases[alias] = target
    return aliases, tuple(hidden)


def report_names(
    router: RouterConfig, deployments: Sequence[DeploymentConfig], source: Source
) -> list[Notice]:
    """A warning for each fallback or alias to a name that no deployment serves."""
    notices: list[Notice] = []

    def check_names(what: str, names: Sequence[str], path: KeyPath) -> None:
        """Add a warning for each of these names that no deployment serves."""
        for name in names:
            if not find_deployments(deployments, name, router.model_group_alias):
                text = f"{what} names the model `{printable(name)}`, which no deployment serves"
                notices.append(source.notice(path, text))

    lists: Mapping[str, Mapping[str, Any]] = {
        "fallbacks": router.fallbacks,
        "context_window_fallbacks": router.context_window_fallbacks,
        "content_policy_fallbacks": router.content_policy_fallbacks,
    }
    for key, mapping in lists.items():
        for name, names in mapping.items():
            check_names(
                f"the list of `{printable(name)}` in `{key}`", names, _fallbacks_path(source, key)
            )
    check_names(
        "`default_fallbacks`",
        router.default_fallbacks,
        _fallbacks_path(source, "default_fallbacks"),
    )
    for alias, target in router.model_group_alias.items():
        path: KeyPath = ("router_settings", "model_group_alias", alias)
        check_names(f"the alias `{printable(alias)}`", (target,), path)
    return notices


def _fallbacks_path(source: Source, key: str) -> KeyPath:
    """The path of a list of fallbacks in the file, which may stand in either section."""
    of_router: KeyPath = ("router_settings", key)
    return of_router if of_router in source.lines else ("litellm_settings", key)
