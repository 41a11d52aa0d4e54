"""Checks of single keywords of a call. Each raises BadRequestError, whose `param` names it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

from puna.catalog.prices import Price, price_from_dollars_per_token
from puna.errors import BadRequestError, ConfigError
from puna.types.display import display

_NO_FIELDS: Mapping[str, Any] = MappingProxyType({})
_LONGEST_S = 31_536_000.0  # a year: what is longer is a mistake, or overflows a clock


def read_seconds(own: Mapping[str, Any], name: str, default: float | None) -> float | None:
    """A time above 0; `default` where nothing is given."""
    value = own.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST_S:
        raise BadRequestError(
            f"`{name}` must be a number of seconds above 0 and at most {_LONGEST_S:,.0f}, "
            f"not `{display(value)}`.",
            param=name,
        )
    return float(value)


def read_mapping(own: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object, empty where nothing is given."""
    if name not in own:
        return _NO_FIELDS
    value = own[name]
    if not isinstance(value, Mapping):
        raise BadRequestError(f"`{name}` must be an object.", param=name)
    return cast("Mapping[str, Any]", value)


def read_list(own: Mapping[str, Any], name: str) -> Sequence[Any]:
    """A list, empty where nothing is given."""
    if name not in own:
        return ()
    value = own[name]
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise BadRequestError(f"`{name}` must be a list.", param=name)
    return cast("Sequence[Any]", value)


def read_names(own: Mapping[str, Any], name: str) -> Sequence[str]:
    """A list of parameter names, empty where nothing is given."""
    if name not in own:
        return ()
    names = read_list(own, name)
    if not all(isinstance(item, str) for item in names):
        raise BadRequestError(f"`{name}` must be a list of parameter names.", param=name)
    return names


def read_price(own: Mapping[str, Any]) -> Price | None:
    """A call's own price; None where it gives none."""
    given_name, made_name = "input_cost_per_token", "output_cost_per_token"
    if own.get(given_name) is None and own.get(made_name) is None:
        return None
    given, made = (_read_picos(own, name) for name in (given_name, made_name))
    return Price(input_picos=given, output_picos=made)


def _read_picos(own: Mapping[str, Any], name: str) -> int:
    try:
        return price_from_dollars_per_token(own.get(name) or 0)
    except ConfigError as error:
        raise BadRequestError(f"`{name}`: {error}", param=name) from error
