"""Reads options in their scopes, and refuses them elsewhere, as the table in `options.py` says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from puna.errors import BadRequestError
from puna.types.option_kinds import (
    CONFIG_SCOPES,
    HOST_SETTING,
    LOGIN,
    PRICE,
    Merge,
    Option,
    Scope,
)
from puna.types.options import OPTIONS

BY_NAME: Mapping[str, Option] = {option.name: option for option in OPTIONS}


def options_in(scope: Scope) -> tuple[Option, ...]:
    """The options that may stand in a scope, as the table orders them."""
    return tuple(option for option in OPTIONS if scope in option.kinds)


def _names(options: Iterable[Option]) -> frozenset[str]:
    """The names of these options."""
    return frozenset(option.name for option in options)


CALL_OPTIONS = _names(options_in(Scope.CALL))
"""Keywords of a call in Python that are never part of the body."""

REQUEST_OPTIONS = _names(options_in(Scope.REQUEST))
"""Fields of a request to the gateway that are never sent to a host."""

REFUSED_IN_CALLS = BY_NAME.keys() - CALL_OPTIONS - REQUEST_OPTIONS
"""Of the others, a call passes on those of requests: the host may be a gateway."""

REFUSED_IN_FALLBACKS = REFUSED_IN_CALLS | CALL_OPTIONS - _names(options_in(Scope.FALLBACK))
"""The same for an object in `fallbacks`."""

REFUSED_IN_REQUESTS = BY_NAME.keys() - REQUEST_OPTIONS
"""Fields that only the operator may set: where keys go, and what the gateway answers."""

CHAT_OPTIONS = tuple(option.name for option in OPTIONS if option.is_chat)
"""Options that are arguments of `make_chat_request`."""

HOST_SETTINGS = _names(one for one in OPTIONS if HOST_SETTING in one.kinds.values())
"""Settings that a host needs beside its key and its address."""

LOGINS = _names(one for one in OPTIONS if LOGIN in one.kinds.values())
"""Ways to log in that are not built. A deployment with one is not used: it means other keys."""

HOST_OPTIONS = _names(o for o in options_in(Scope.FALLBACK) if o.kinds[Scope.FALLBACK] is not PRICE)
"""What a fallback at the same host shares with the call."""


def with_aliases(name: str) -> tuple[str, ...]:
    """An option's name and then its other names, in the order in which they count."""
    return (name, *(option.name for option in OPTIONS if option.same_as == name))


def read_option(given: Mapping[str, Any], name: str, scope: Scope, default: Any = None) -> Any:
    """The value of an option, checked; `default` where it is absent or null.

    Raises:
        BadRequestError: it is not what the option must be in this scope; `param` names it.
    """
    value = given.get(name)
    return default if value is None else BY_NAME[name].kinds[scope].read(name, value)


def read_first(given: Mapping[str, Any], names: Iterable[str], scope: Scope) -> Any:
    """The first value of several options, checked; None where all are absent or null.

    Raises as `read_option`, for each of them.
    """
    found = [read_option(given, name, scope) for name in names]
    return next((value for value in found if value is not None), None)


def fold_aliases(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by the names of options, each under its main name; the main name's own value wins."""
    folded = {name: value for name, value in values.items() if not BY_NAME[name].same_as}
    for name, value in values.items():
        option = BY_NAME[name]
        if not option.same_as:
            continue
        if option.merge is Merge.TOGETHER:
            folded[option.same_as] = {**value, **folded.get(option.same_as, {})}
        else:
            folded.setdefault(option.same_as, value)
    return folded


def place_of(name: str) -> str:
    """Where an option may stand, as words that follow its name or "it"."""
    scopes = BY_NAME[name].kinds
    sections = [scope.value for scope in CONFIG_SCOPES if scope in scopes]
    if sections:
        return f"belongs in {' or '.join(sections)}"
    return f"is {' or '.join(scope.value for scope in scopes)}"


def refuse_in_call(name: str, field: str = "") -> BadRequestError:
    """Make the error for an option that is no keyword of a call, or none in a `field`'s object."""
    if field:
        what = "is set for a whole call" if name in CALL_OPTIONS else place_of(name)
        return BadRequestError(
            f"`{name}` cannot be set for one of the `{field}`: it {what}.", param=f"{field}.{name}"
        )
    return BadRequestError(
        f"`{name}` is no keyword of a call: it {place_of(name)}. To send a host a field of this "
        "name, give it in `extra_body`.",
        param=name,
    )


def refuse_in_request(name: str) -> BadRequestError:
    """Make the error for an option that no client of the gateway may set."""
    place = place_of(name)
    who = ", only by its operator" if place.startswith("belongs") else ""
    return BadRequestError(
        f"`{name}` cannot be set by a client of this gateway{who}: it {place}.",
        code="field_not_allowed",
        param=name,
    )
