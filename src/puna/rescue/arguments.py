"""Converts arguments to the types of their tool's schema: `"5"` for a number becomes 5.

Only a value whose type the schema does not allow is changed, and only if there is exactly one
lossless conversion.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from puna.types.counts import is_number

_Schema = Mapping[str, Any]


def repair_arguments(
    arguments: Mapping[str, Any], schema: _Schema
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The arguments as the schema requires them, and the paths of those that were changed."""
    changed: list[str] = []
    return _repair_fields(arguments, schema, "", changed), tuple(changed)


def _repair_fields(
    fields: Mapping[str, Any], schema: _Schema, path: str, changed: list[str]
) -> dict[str, Any]:
    """Repair the members of an object by its schema.

    The paths of changed ones are added to `changed`.
    """
    declared = schema.get("properties")
    known = cast("_Schema", declared) if isinstance(declared, Mapping) else {}
    return {
        name: _repair(value, known[name], f"{path}{name}", changed)
        if isinstance(known.get(name), Mapping)
        else value
        for name, value in fields.items()
    }


def _repair(value: Any, schema: _Schema, path: str, changed: list[str]) -> Any:
    """A value that fits its schema, if one lossless conversion exists."""
    wanted = _kinds_of(schema)
    if wanted and not any(_IS[kind](value) for kind in wanted):
        for kind in wanted:
            made = _MAKE[kind](value, schema)
            if made is not None:
                changed.append(path)
                value = made
                break
    if isinstance(value, Mapping):
        return _repair_fields(cast("_Schema", value), schema, f"{path}.", changed)
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, Mapping):
        rule = cast("_Schema", items)
        return [
            _repair(item, rule, f"{path}[{position}]", changed)
            for position, item in enumerate(cast("list[Any]", value))
        ]
    return value


def _kinds_of(schema: _Schema) -> list[str]:
    """The JSON types that a schema allows; empty where it does not say so plainly."""
    given = schema.get("type")
    kinds = cast("list[Any]", given) if isinstance(given, list) else [given]
    known: list[str] = [kind for kind in kinds if isinstance(kind, str) and kind in _IS]
    return known if len(known) == len(kinds) else []


def _is_integer(value: Any) -> bool:
    """Whether a value is a number without a fraction."""
    return is_number(value) and value == value // 1


_IS: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": _is_integer,
    "number": is_number,
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, Mapping),
    "null": lambda value: value is None,
}


def _parse_as(value: Any, kind: str) -> Any:
    """Parse a JSON text; None unless the value is of this type."""
    if not isinstance(value, str):
        return None
    try:
        made = json.loads(value)
        json.dumps(made, allow_nan=False)
        return made if _IS[kind](made) else None
    except (ValueError, OverflowError, RecursionError):
        return None


def _make_text(value: Any, _: _Schema) -> str | None:
    """A number or boolean as text."""
    return json.dumps(value) if isinstance(value, int | float) else None


def _make_list(value: Any, schema: _Schema) -> list[Any] | None:
    """A list parsed from its JSON text, or with the given value as its one item."""
    made = _parse_as(value, "array")
    if made is not None:
        return cast("list[Any]", made)
    items = schema.get("items")
    kinds = _kinds_of(cast("_Schema", items)) if isinstance(items, Mapping) else []
    return [value] if any(_IS[kind](value) for kind in kinds) else None


_MAKE: Mapping[str, Callable[[Any, _Schema], Any]] = {
    "string": _make_text,
    "integer": lambda value, _: _parse_as(value, "integer"),
    "number": lambda value, _: _parse_as(value, "number"),
    "boolean": lambda value, _: _parse_as(str(value).lower(), "boolean"),
    "array": _make_list,
    "object": lambda value, _: _parse_as(value, "object"),
    "null": lambda _value, _schema: None,
}
