"""Parses the arguments of a tool call: JSON text in chat, an object in other protocols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic_core import from_json

from puna.wire.json_size import check_nested_json

BROKEN_INPUT = "INVALID_JSON"
"""The key under which Anthropic's guide to tool streaming keeps arguments that are no JSON."""


def parse_call_arguments(arguments: object) -> dict[str, Any] | None:
    """Parse a call's arguments, JSON text or a mapping, to an object.

    Empty text is an empty object.

    None where they are no JSON object (NaN and infinity are not JSON), or have more values than any
    model writes.
    """
    if isinstance(arguments, Mapping):
        return dict(cast("Mapping[str, Any]", arguments))
    if arguments is None:
        return {}
    if not isinstance(arguments, str):
        return None
    try:
        check_nested_json(arguments)
        value = from_json(arguments, allow_inf_nan=False) if arguments.strip() else {}
    except (TypeError, ValueError):  # half of a surrogate pair is no text
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
