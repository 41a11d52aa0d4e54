"""Validates schemas and answers with the `jsonschema` package, which is imported on first use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from puna.embedded.check_steps import counting, first_faults
from puna.embedded.patterns import (
    UncheckablePatternError,
    check_additional_properties,
    check_pattern,
    check_pattern_properties,
    check_patterns,
    without_schema_keyword,
)
from puna.embedded.server_errors import cannot_follow
from puna.errors import BadRequestError, MalformedReplyError, ServiceUnavailableError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_JSON_START = frozenset('{["-0123456789tfn')


@dataclass(frozen=True, slots=True)
class SchemaFault:
    """A fault of a value: where it is, which keyword it breaks, and the full message.

    The message quotes the value.
    """

    path: str
    rule: str
    message: str


def check_schema(schema: Mapping[str, Any], *, param: str) -> None:
    """Check that `schema` is a valid JSON schema, of the draft in its `$schema` or 2020-12.

    Raises:
        BadRequestError: it is invalid, at the place that the message names; or validation against
            it
            cannot be bounded in time, see `patterns.py`.
        ServiceUnavailableError: `jsonschema` is not installed.
    """
    _check_installed()
    from jsonschema.exceptions import SchemaError

    try:
        check_patterns(schema, param=param)
        _check_draft(schema)
    except SchemaError as error:
        path = "/".join(str(part) for part in error.absolute_path)
        raise BadRequestError(
            f"`{param}` is not a JSON schema: the value at `#/{path}` breaks the rule "
            f"`{error.validator}` of its draft.",
            param=param,
        ) from error
    except (AttributeError, TypeError, ValueError) as error:
        raise BadRequestError(
            f"`{param}` is not a JSON schema: `$schema` and `$id` must be texts.", param=param
        ) from error
    except RecursionError as error:
        why = f"too large ({error})" if "steps" in str(error) else "nested too deeply"
        raise BadRequestError(f"The JSON schema of `{param}` is {why}.", param=param) from error


def looks_like_json(text: str) -> bool:
    """Whether a text may be the beginning of JSON.

    The server ignores a grammar that it cannot compile and then writes prose, which begins
    differently.
    """
    start = text.lstrip()[:1]
    return not start or start in _JSON_START


def read_json(text: str, finish_reason: str | None, *, param: str, what: str) -> Any:
    """Parse an answer that has to be JSON.

    Raises:
        BadRequestError: it is prose, so the server could not follow the schema.
        MalformedReplyError: it was cut, by the token limit or a stop string.
    """
    if not looks_like_json(text):
        raise cannot_follow(param, "the server found no grammar for it")
    if finish_reason == "length":
        raise MalformedReplyError(
            f"The embedded model's {what} was cut by the token limit and is not complete JSON; "
            "raise `max_tokens`.",
            is_retryable=False,
        )
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedReplyError(
            f"The embedded model's {what} is not complete JSON"
            f"{' (did a `stop` string cut it?)' if finish_reason == 'stop' else ''}.",
        ) from error


def check_value(value: Any, schema: Mapping[str, Any], *, what: str) -> None:
    """Validate an answer against the caller's own schema.

    Raises:
        MalformedReplyError: it does not fit; the message names the first place.
    """
    try:
        fault = _best_fault(value, schema)
    except (UncheckablePatternError, RecursionError) as problem:
        raise cannot_follow("schema", f"the answer cannot be checked ({problem})") from problem
    if fault is None:
        return
    raise MalformedReplyError(
        f"The embedded model's {what} does not satisfy the JSON schema: the value at "
        f"`{fault.path}` breaks the rule `{fault.rule}`. Ask again, or make the schema simpler.",
    )


def first_fault(value: Any, schema: Mapping[str, Any], *, param: str) -> SchemaFault | None:
    """The most informative fault of a value; None where the value fits the schema.

    Raises:
        BadRequestError: the schema cannot be used, because of a pattern or a reference in it.
    """
    from referencing.exceptions import Unresolvable

    try:
        return _best_fault(value, schema)
    except (UncheckablePatternError, RecursionError, Unresolvable) as problem:
        raise BadRequestError(
            f"`{param}` holds a schema that no answer can be checked by: {problem}.", param=param
        ) from problem


def has_jsonschema() -> bool:
    """Whether `jsonschema` is installed."""
    try:
        import_module("jsonschema")
    except ImportError:
        return False
    return True


def _best_fault(value: Any, schema: Mapping[str, Any]) -> SchemaFault | None:
    """The fault that says most about a value that does not fit."""
    from jsonschema.exceptions import best_match

    error = best_match(iter(first_faults(_validator(schema), value)))
    if error is None:
        return None
    path = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path
    )
    return SchemaFault(f"${path}", str(error.validator), error.message)


def _check_installed() -> None:
    if not has_jsonschema():
        raise ServiceUnavailableError(
            "The embedded model checks JSON with the package `jsonschema`, which is not "
            "installed: install Puna's `embedded` extra.",
            code="embedded_server_unavailable",
            fault="operator",
            is_retryable=False,
        )


def _validator(schema: Mapping[str, Any]) -> Validator:
    from referencing import Registry

    registry: Any = Registry()  # an empty one fetches nothing from the network
    draft = counting(_bounded(_draft(schema)))
    made = draft(without_schema_keyword(schema), registry=registry)
    return cast("Validator", made)


def _check_draft(schema: Mapping[str, Any]) -> None:
    """Validate a schema like jsonschema's `check_schema`, with counted steps."""
    from jsonschema.exceptions import SchemaError, best_match
    from jsonschema.validators import validator_for

    draft = _draft(schema)
    described = validator_for(draft.META_SCHEMA, default=draft)
    error = best_match(iter(first_faults(counting(described)(draft.META_SCHEMA), dict(schema))))
    if error is not None:
        raise SchemaError.create_from(error)


def _draft(schema: Mapping[str, Any]) -> Any:
    """The validator class for a schema's draft."""
    from jsonschema.validators import Draft202012Validator, validator_for

    return validator_for(schema, default=Draft202012Validator)


@cache
def _bounded(draft: Any) -> Any:
    """A validator class whose patterns are matched in linear time."""
    from jsonschema.validators import extend

    keywords = {
        "pattern": check_pattern,
        "patternProperties": check_pattern_properties,
        "additionalProperties": check_additional_properties,
    }
    make: Any = extend  # it has no types
    return make(draft, keywords)
