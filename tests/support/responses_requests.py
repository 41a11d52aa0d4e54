"""Requests of the Responses API, read into chat or refused."""

from __future__ import annotations

from typing import Any

import pytest

from puna.bridges.responses.request import BridgedRequest, bridge_request
from puna.errors import BadRequestError
from puna.types.response_request import make_responses_request

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather",
    "parameters": {"type": "object"},
    "strict": False,
}
PATCH = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edit files",
    "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'},
}
CALL = {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"}


def read(given: Any = "hi", *, drop: bool = False, **fields: Any) -> BridgedRequest:
    stream = fields.pop("stream", None)
    allowed = fields.pop("allowed_openai_params", ())
    earlier = fields.pop("earlier", ())
    asked = make_responses_request(
        "m",
        {"input": given, **fields},
        stream=stream,
        earlier=earlier,
        drop_params=drop,
        allowed_params=allowed,
    )
    return bridge_request(asked)


def refused(given: Any = "hi", **fields: Any) -> BadRequestError:
    with pytest.raises(BadRequestError) as raised:
        read(given, **fields)
    return raised.value
