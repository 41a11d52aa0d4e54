"""What a key may be used for: models, endpoints, and the networks that it may come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from puna.config.matching import WILDCARD, match_name
from puna.errors import PermissionDeniedError

Network = IPv4Network | IPv6Network

ALL_MODELS: Final = frozenset(("*", "all-proxy-models", "all-team-models"))
"""LiteLLM's names for no limit. What `all-team-models` leaves open, the team's own list closes."""

NO_MODELS: Final = "no-default-models"
"""LiteLLM's name for no model at all."""

_MOST_NAMED = 20
_MANAGEMENT = ("/key/", "/user/", "/team/", "/budget/", "/customer/", "/end_user/")
_MANAGEMENT_TOO = ("/organization/", "/spend/", "/global/")


def _is_management(path: str) -> bool:
    return path.startswith((*_MANAGEMENT, *_MANAGEMENT_TOO))


def _is_info(path: str) -> bool:
    return path.endswith(("/info", "/list")) or path == "/models" or path.startswith("/models/")


ROUTE_GROUPS: Final[Mapping[str, Callable[[str], bool]]] = {
    "llm_api_routes": lambda path: not _is_management(path),
    "openai_routes": lambda path: not _is_management(path),
    "management_routes": _is_management,
    "info_routes": _is_info,
}
"""LiteLLM's names for groups of paths. A path is given without its `/v1`."""

OF_EVERY_KEY: Final = "/key/info"
"""The path at which each key may read what is stored about itself."""


@dataclass(frozen=True, slots=True)
class ModelNames:
    """What names in a list of models may stand for, by the configuration.

    Attributes:
        aliases: other names for public names (`router_settings.model_group_alias`).
        groups: public names by access group (`model_info.access_groups`).
    """

    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def list_for(self, owner: str, names: Sequence[str]) -> ModelList | None:
        """The list of an owner (`key`, `team`, `user` or `org`); None where it limits nothing."""
        if not names or not ALL_MODELS.isdisjoint(names):
            return None
        found: set[str] = set()
        for name in names:
            found.update(self.groups.get(name, (name,)))
        found.discard(NO_MODELS)
        patterns = tuple(sorted(name for name in found if WILDCARD in name))
        known = ModelList(owner, tuple(names), frozenset(found), patterns)
        targets = {alias for alias, target in self.aliases.items() if known.allows(target)}
        return ModelList(owner, tuple(names), frozenset(found | targets), patterns)


@dataclass(frozen=True, slots=True)
class ModelList:
    """The models that an owner may use.

    Attributes:
        owner: whose list it is: `key`, `team`, `user` or `org`.
        names: the list as it was written.
        exact, patterns: the names, and those with a `*`.
    """

    owner: str
    names: tuple[str, ...]
    exact: frozenset[str]
    patterns: tuple[str, ...] = ()

    def allows(self, name: str) -> bool:
        """Whether the list has this name, or a wildcard that matches it."""
        return name in self.exact or any(
            match_name(pattern, name) is not None for pattern in self.patterns
        )


@dataclass(frozen=True, slots=True)
class Access:
    """The limits on what a key may be used for. A key without any has no `Access`.

    Attributes:
        models: the lists that must all have a model.
        routes: paths, with wildcards, and names of groups of them; empty for all.
        networks: from where the key may be used; empty for everywhere.
        aliases: names of models that stand for others, with this key.
    """

    models: tuple[ModelList, ...] = ()
    routes: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])

    def __bool__(self) -> bool:
        return bool(self.models or self.routes or self.networks or self.aliases)

    def allows_model(self, name: str) -> bool:
        """Whether the key may use the model of this public name."""
        meant = self.aliases.get(name, name)
        return all(one.allows(meant) for one in self.models)

    def passes(self, name: str) -> bool:
        """Whether a request for this model can be served as it is."""
        return name not in self.aliases and all(one.allows(name) for one in self.models)

    def check_model(self, name: str) -> None:
        """Check that the key may use the model of this public name.

        Raises:
            PermissionDeniedError: it may not. The code is LiteLLM's type of the error.
        """
        meant = self.aliases.get(name, name)
        for one in self.models:
            if not one.allows(meant):
                raise _denied_model(one, name)

    def allows_route(self, path: str) -> bool:
        """Whether the key may be used at this path."""
        return not self.routes or _is_in(path, self.routes)

    def check_request(self, path: str, address: str | None) -> None:
        """Check that the key may be used at this path, by a client at this address.

        Raises:
            PermissionDeniedError: it may not.
        """
        if self.networks and not _is_from(address, self.networks):
            raise PermissionDeniedError(
                f"This key may not be used from `{address or 'an unknown address'}`; its "
                "`allowed_ips` name the networks that it may be used from.",
                code="ip_not_allowed",
                fault="caller",
            )
        if not self.allows_route(path):
            raise PermissionDeniedError(
                f"This key may not call `{path}`; it may call {_named(self.routes)}.",
                code="route_not_allowed",
                fault="caller",
            )


def _denied_model(one: ModelList, name: str) -> PermissionDeniedError:
    whose = {"key": "This key", "org": "The organization of this key"}.get(
        one.owner, f"The {one.owner} of this key"
    )
    return PermissionDeniedError(
        f"{whose} may not use the model `{name[:256]}`; it may use {_named(one.names)}.",
        code=f"{one.owner}_model_access_denied",
        param="model",
        fault="caller",
    )


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:_MOST_NAMED])
    left = len(names) - _MOST_NAMED
    return f"{shown} and {left} more" if left > 0 else shown


def _is_in(path: str, routes: Iterable[str]) -> bool:
    plain = _without_version(path)
    if plain == OF_EVERY_KEY:
        return True
    for route in routes:
        group = ROUTE_GROUPS.get(route)
        if group is not None:
            if group(plain):
                return True
        elif match_name(_without_version(route), plain) is not None:
            return True
    return False


def _without_version(path: str) -> str:
    return path.removeprefix("/v1") if path.startswith("/v1/") else path


def _is_from(address: str | None, networks: Iterable[Network]) -> bool:
    try:
        client = ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(client, "ipv4_mapped", None)  # a client of IPv4 on a socket of IPv6
    return any((mapped or client) in network for network in networks)
