"""Converts a pydantic class to the JSON schema of a `response_format`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

from puna.errors import BadRequestError

_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME = 64


def strict_json_schema(cls: type, *, param: str = "response_format") -> dict[str, Any]:
    """The `response_format` for a pydantic model class, with a strict schema.

    Strict mode (OpenAI, "Structured Outputs: supported schemas") requires closed objects and every
    property, so the schema says that; defaults are left out.

    Raises:
        BadRequestError: it is another class; `param` is where the caller gave it.
    """
    make = cast("Callable[[], dict[str, Any]] | None", getattr(cls, "model_json_schema", None))
    if make is None:
        raise BadRequestError(
            f"`{param}` got the class `{cls.__name__}`, which is not a pydantic model; "
            "give a pydantic class or a JSON schema.",
            param=param,
        )
    try:
        schema = make()
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        raise BadRequestError(
            f"`{param}` got the class `{cls.__name__}`, which has no JSON schema: "
            "use fields that JSON can hold.",
            param=param,
        ) from error
    # The name of a generic class, such as Box[int], is no name to a host.
    name = _NO_NAME.sub("_", cls.__name__)[:_LONGEST_NAME]
    return {
        "type": "json_schema",
        "json_schema": {"name": name, "schema": _close_objects(schema), "strict": True},
    }


def _close_objects(node: Any) -> Any:
    """A copy of a schema whose objects are closed and require all properties, without defaults."""
    if isinstance(node, list):
        return [_close_objects(item) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    schema = cast("dict[str, Any]", node)
    closed: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions") and isinstance(value, dict):
            named = cast("dict[str, Any]", value)
            closed[key] = {name: _close_objects(child) for name, child in named.items()}
        elif key != "default":
            closed[key] = _close_objects(value)
    if isinstance(closed.get("properties"), dict):
        closed["additionalProperties"] = False
        closed["required"] = list(closed["properties"])
    return closed
