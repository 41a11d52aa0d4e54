"""Parses the arguments of a tool call: JSON text in chat, an object in other protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from msgspec import MsgspecError
from msgspec.json import Decoder
from pydantic_core import from_json

from puna.wire.json_size import check_nested_json
from puna.wire.raw_values import is_plain_json

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


def are_call_arguments(texts: Sequence[str]) -> bool:
    """Whether each text is a JSON object that `parse_call_arguments` can parse; none is empty.

    Called for the calls of a request's history at once: what makes a text unusual is looked for in
    several together, and usual ones are parsed by the quicker parser.
    """
    return all(_are_objects(texts[at : at + _TOGETHER]) for at in range(0, len(texts), _TOGETHER))


_TOGETHER = 16
_MOST_CHARACTERS = 8_192
"""Of texts that are looked at together."""
_parse_object = Decoder(dict[str, Any]).decode


def _are_objects(texts: Sequence[str]) -> bool:
    joined = ",".join(texts)
    try:
        if len(joined) <= _MOST_CHARACTERS and is_plain_json(joined.encode()):
            for text in texts:
                _parse_object(text)
            return True
    except (MsgspecError, UnicodeEncodeError):
        pass  # the other parser may know better
    return all(text.strip() and parse_call_arguments(text) is not None for text in texts)
