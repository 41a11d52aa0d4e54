"""JSON Schema validation with a limit on its steps.

A schema of a few lines can demand any number of steps: references that double, `anyOf` of a
thousand, `enum` times items, `uniqueItems` pair by pair. One step is about ten microseconds. Too
many raise RecursionError, as circular references do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, cast

MOST_STEPS = 250_000
"""Of one check: keywords that are looked at, and what some of them cost beyond that. Two references
to a schema with two references, and so on, are a million after twenty lines."""

MOST_FAULTS = 100
"""Of one value: more are not looked for, and the one that tells most is among these."""

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_FAULT_STEPS = 3
_REFERENCE_STEPS = 4
_COMPARED_A_STEP = 4
_REPR_ITEMS = 12
_REPR_DEPTH = 3
_REPR_TEXT = 300

_Check = Callable[[Any, Any, Any, Any], Iterator[Any] | None]


class Steps:
    """Counts the steps of one validation."""

    def __init__(self) -> None:
        self._steps_done = 0

    def count(self, count: int = 1) -> None:
        """Add steps. Raises RecursionError when there are too many."""
        self._steps_done += count
        if self._steps_done > MOST_STEPS:
            raise RecursionError(f"it takes over {MOST_STEPS:,} steps")


def counting(draft: Any) -> Any:
    """A validator class for one validation, derived from `draft`, that counts its steps."""
    from jsonschema.validators import extend

    steps = Steps()
    known = {**draft.VALIDATORS, "uniqueItems": _unique_items_of(steps)}
    make: Any = extend  # it has no types
    made = make(draft, {name: _counted(name, check, steps) for name, check in known.items()})
    made.evolve = _evolve
    return made


def _evolve(self: Any, **changes: Any) -> Any:
    """Replaces jsonschema's `evolve`, which would change the class for a schema with `$schema`."""
    from attrs import fields

    for one in fields(type(self)):
        if one.init and one.alias not in changes:
            changes[one.alias] = getattr(self, one.name)
    return type(self)(**changes)


def _counted(keyword: str, check: _Check, steps: Steps) -> _Check:
    """The check of a keyword, with its steps counted first."""
    is_reference = keyword in _REFERENCES

    def counted(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[Any]:
        steps.count(_price(keyword, wanted, instance, schema))
        if is_reference:
            steps.count(_REFERENCE_STEPS)
        for fault in check(validator, wanted, instance, schema) or ():
            steps.count(_FAULT_STEPS)
            yield fault

    return counted


def _price(keyword: str, wanted: Any, instance: Any, schema: Any) -> int:
    """The steps of one keyword, without those of the schemas inside it."""
    if keyword in ("enum", "const"):
        values = len(wanted) if keyword == "enum" and isinstance(wanted, list) else 1
        return 1 + values * _width(instance) // _COMPARED_A_STEP
    if keyword in ("patternProperties", "additionalProperties"):
        patterns = schema.get("patternProperties") if isinstance(schema, Mapping) else None
        return 1 + (len(patterns) if isinstance(patterns, Mapping) else 0) * _width(instance)
    return 1


def _width(value: Any) -> int:
    """The number of members or items of a value, plus one."""
    return len(value) + 1 if isinstance(value, list | Mapping) else 1


def _unique_items_of(steps: Steps) -> _Check:
    """The check of `uniqueItems` that counts its steps."""

    def unique_items(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[Any]:
        """The keyword `uniqueItems`, by a set; jsonschema's own compares all pairs."""
        del schema
        if wanted and validator.is_type(instance, "array"):
            steps.count(sum(map(_width, instance)) // _COMPARED_A_STEP)
            if len({_key_of(item) for item in instance}) < len(instance):
                from jsonschema.exceptions import ValidationError

                yield ValidationError(f"{instance!r} has non-unique elements")

    return unique_items


def _key_of(value: Any) -> Any:
    """A key that is equal for values that JSON Schema calls equal.

    1 and 1.0 are, 1 and true are not.
    """
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, list):
        return ("array", tuple(map(_key_of, cast("list[Any]", value))))
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        return ("object", frozenset((name, _key_of(one)) for name, one in fields.items()))
    return value


def first_faults(validator: Any, value: Any) -> list[Any]:
    """The first faults that a validator finds in a value."""
    return list(islice(validator.iter_errors(with_short_repr(value)), MOST_FAULTS))


class _List(list[Any]):
    """A list with a short `repr`."""

    def __repr__(self) -> str:
        return _short_repr(self, 0)


class _Object(dict[str, Any]):
    """A dict with a short `repr`."""

    def __repr__(self) -> str:
        return _short_repr(self, 0)


class _Text(str):
    """A text with a short `repr`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _short_repr(str(self), 0)


def with_short_repr(value: Any) -> Any:
    """An equal value with a short `repr`, which jsonschema puts into each fault's message."""
    if isinstance(value, list):
        return _List(map(with_short_repr, cast("list[Any]", value)))
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        return _Object({name: with_short_repr(one) for name, one in fields.items()})
    if isinstance(value, str) and len(value) > _REPR_TEXT:
        return _Text(value)
    return value


def _short_repr(value: Any, depth: int) -> str:
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return f"[{_joined((_short_repr(one, depth + 1) for one in items), len(items), depth)}]"
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        shown = (_short_member_repr(name, one, depth + 1) for name, one in fields.items())
        return f"{{{_joined(shown, len(fields), depth)}}}"
    if isinstance(value, str) and len(value) > _REPR_TEXT:
        return f"{str(value[:_REPR_TEXT])!r}…"
    return repr(value)


def _short_member_repr(name: str, value: Any, depth: int) -> str:
    return f"{name[:_REPR_TEXT]!r}: {_short_repr(value, depth)}"


def _joined(items: Iterator[str], count: int, depth: int) -> str:
    """The first items joined by commas, with a mark for those left out."""
    if depth >= _REPR_DEPTH and count:
        return "…"
    shown = list(islice(items, _REPR_ITEMS))
    return ", ".join((*shown, "…") if count > len(shown) else shown)
