"""Matches the patterns of a client's JSON schema in linear time.

Python's `re` needs for a pattern such as `^(a+)+$` twice as long with each letter, and nothing can
stop it. So keywords with patterns are checked with the engine that comes with pydantic (Rust's
`regex` crate), whose time is linear in the text. It supports no look-around and no back-references:
a schema with one of these is refused before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import SchemaError, SchemaValidator, core_schema

from puna.errors import BadRequestError

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_PATTERN, _MAP, _OWN = "pattern", "patternProperties", "$schema"
_VALUES = frozenset(("const", "default", "enum", "examples"))
"""Keywords that hold values, not schemas."""

_MAPS_OF_SCHEMAS = frozenset(
    ("$defs", "definitions", "dependencies", "dependentSchemas", _MAP, "properties")
)
_LONGEST = 1_000
_MOST = 100
"""Patterns of a schema, all of which stay compiled while it is used."""

_Object = Mapping[str, Any]


def check_patterns(schema: _Object, *, param: str) -> None:
    """Check that every pattern in a schema can be matched in linear time.

    Raises:
        BadRequestError: a pattern cannot, or the schema could make Python's `re` match it.
    """
    kinds: set[str] = set()
    patterns: set[str] = set()
    for keyword, pattern in _walk(without_schema_keyword(schema)):
        kinds.add(keyword)
        if keyword in (_PATTERN, _MAP):
            patterns.add(pattern)
        if len(patterns) > _MOST:
            raise BadRequestError(f"`{param}` holds more than {_MOST} patterns.", param=param)
        if keyword in (_PATTERN, _MAP) and _engine_of(pattern) is None:
            raise BadRequestError(
                f"`{param}` holds the pattern `{pattern[:80]}`, which cannot be checked in bounded "
                "time: use one without look-around and references to groups, and at most "
                f"{_LONGEST} characters long.",
                param=param,
            )
    if _OWN in kinds:
        raise BadRequestError(f"`{param}` may hold `{_OWN}` only at its root.", param=param)
    if kinds >= {_MAP, "unevaluatedProperties"}:
        raise BadRequestError(
            f"`{param}` holds `{_MAP}` and `unevaluatedProperties`: use `additionalProperties`.",
            param=param,
        )


def without_schema_keyword(schema: _Object) -> dict[str, Any]:
    """A schema without `$schema`, which would select a validator with Python's `re`."""
    return {name: value for name, value in schema.items() if name != _OWN}


def check_pattern(
    validator: Any, pattern: str, instance: Any, schema: _Object
) -> Iterator[ValidationError]:
    """The keyword `pattern`, with the signature that jsonschema requires."""
    del schema
    if validator.is_type(instance, "string") and not _matches(pattern, instance):
        yield _fault(f"{instance!r} does not match {pattern!r}")


def check_pattern_properties(
    validator: Any, patterns: _Object, instance: Any, schema: _Object
) -> Iterator[ValidationError]:
    """The keyword `patternProperties`."""
    del schema
    if not validator.is_type(instance, "object"):
        return
    for pattern, inner in patterns.items():
        for name, value in instance.items():
            if _matches(pattern, name):
                yield from validator.descend(value, inner, path=name, schema_path=pattern)


def check_additional_properties(
    validator: Any, wanted: Any, instance: Any, schema: _Object
) -> Iterator[ValidationError]:
    """The keyword `additionalProperties`, which depends on the patterns beside it."""
    if not validator.is_type(instance, "object"):
        return
    patterns = schema.get(_MAP, {})
    others = [
        name
        for name in instance
        if name not in schema.get("properties", {})
        and not any(_matches(pattern, name) for pattern in patterns)
    ]
    if validator.is_type(wanted, "object"):
        for name in others:
            yield from validator.descend(instance[name], wanted, path=name)
    elif not wanted and others:
        yield _fault(f"unexpected properties: {', '.join(map(repr, others))}")


def _walk(schema: Any) -> Iterator[tuple[str, str]]:
    """The keywords of a schema and of those inside it, each with its pattern or an empty text."""
    if isinstance(schema, list):
        for one in cast("list[Any]", schema):
            yield from _walk(one)
    if not isinstance(schema, Mapping):
        return
    for keyword, value in cast("_Object", schema).items():
        if keyword == _PATTERN and isinstance(value, str):
            yield keyword, value
        elif keyword in _MAPS_OF_SCHEMAS and isinstance(value, Mapping):
            for name, one in cast("_Object", value).items():
                yield keyword, name
                yield from _walk(one)
        elif keyword not in _VALUES:
            yield keyword, ""
            yield from _walk(value)


def _matches(pattern: str, text: str) -> bool:
    engine = _engine_of(pattern)
    if engine is None:
        raise UncheckablePatternError(f"the pattern {pattern!r}")
    return engine.isinstance_python(text)


class UncheckablePatternError(ValueError):
    """A pattern that cannot be matched in bounded time here."""


@lru_cache(maxsize=128)
def _engine_of(pattern: str) -> SchemaValidator | None:
    if len(pattern) > _LONGEST:
        return None
    wanted = core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
    try:
        return SchemaValidator(wanted)
    except SchemaError:
        return None


def _fault(said: str) -> ValidationError:
    from jsonschema.exceptions import ValidationError

    return ValidationError(said)
