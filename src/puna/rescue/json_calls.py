"""Parses calls written as JSON, and tells them from other JSON.

Known shapes: `{"name", "parameters"}` (Llama 3), `{"name", "arguments"}`, either with a `type`,
OpenAI's `{"type", "function": {…}}`, lists of these, and `{"tool_calls": […]}`. A key that none of
them has, such as the `description` of a repeated tool definition, means that it is no call.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn, cast

from puna.rescue.tools import FoundCall, KnownTools

FIRST_KEYS = frozenset(
    ("name", "type", "function", "id", "index", "parameters", "arguments", "tool_calls")
)
"""What the object of a call may begin with."""

_OUTER = FIRST_KEYS - {"tool_calls"}
_INNER = frozenset(("name", "parameters", "arguments"))


def read_json_calls(text: str, tools: KnownTools) -> list[FoundCall] | None:
    """Parse the calls of a JSON text; None if any part of it is no call."""
    value = read_json(text)
    if isinstance(value, dict) and value.keys() == {"tool_calls"}:
        value = value["tool_calls"]
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    calls = [_read_call(item, tools) for item in items]
    known = [call for call in calls if call is not None]
    return known if known and len(known) == len(calls) else None


def read_json(text: str) -> Any:
    """Parse JSON, allowing line breaks in strings; None where it is invalid."""
    try:
        return json.loads(text, strict=False, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None


def _refuse_constant(constant: str) -> NoReturn:
    """Raise ValueError for `NaN` and infinity. Called by the JSON decoder."""
    raise ValueError(constant)  # NaN and its kin are no JSON


def _read_call(value: Any, tools: KnownTools) -> FoundCall | None:
    """One call from a JSON value; None where it is none."""
    if not isinstance(value, dict):
        return None
    fields = cast("dict[str, Any]", value)
    if not fields.keys() <= _OUTER or fields.get("type", "function") != "function":
        return None
    if "function" in fields:
        inner = fields.pop("function")
        if not isinstance(inner, dict) or "name" in fields or not inner.keys() <= _INNER:
            return None
        fields = {**fields, **cast("dict[str, Any]", inner)}
    name = fields.get("name")
    if not isinstance(name, str) or name not in tools:
        return None
    arguments = _read_arguments(fields)
    return None if arguments is None else tools.make_call(name, arguments)


def _read_arguments(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments: an object, or its JSON text.

    None where two fields claim to be the arguments.
    """
    given = [fields[key] for key in ("parameters", "arguments") if key in fields]
    if len(given) != 1:
        return None
    value = read_json(given[0]) if isinstance(given[0], str) else given[0]
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
