"""The arguments of a tool call: a text in chat, an object in other protocols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic_core import from_json

from puna.wire.json_size import check_text

BROKEN_INPUT = "INVALID_JSON"
"""The key under which Anthropic's guide to tool streaming keeps arguments that are no JSON."""


def object_of(arguments: object) -> dict[str, Any] | None:
    """The object that the arguments are, as JSON text or already; nothing at all is an empty one.

    None for what is no object of JSON, which has neither NaN nor infinite numbers, and for one of
    so many values that no model has written it.
    """
    if isinstance(arguments, Mapping):
        return dict(cast("Mapping[str, Any]", arguments))
    if arguments is None:
        return {}
    if not isinstance(arguments, str):
        return None
    try:
        check_text(arguments)
        value = from_json(arguments, allow_inf_nan=False) if arguments.strip() else {}
    except (TypeError, ValueError):  # half of a surrogate pair is no text
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
