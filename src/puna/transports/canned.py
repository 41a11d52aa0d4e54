"""A transport that gives one prepared answer: `mock_response`.

A text comes in the OpenAI chat shape: its usage is 10 + 20 tokens and a stream comes in pieces of
three characters, as LiteLLM's mock does (observed, release 1.106.2). An object is the reply's body.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from puna.transports.replay import AsyncReplayTransport, Recorded, ReplayTransport
from puna.wire.http import HTTPRequest
from puna.wire.sse import encode_event

Answer = str | Mapping[str, Any] | Exception

_USAGE = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
_PIECE = 3


def canned_transport(answer: Answer) -> ReplayTransport:
    """Answers every request with this text or body, or raises this exception."""
    return ReplayTransport(lambda request: _answer(answer, request))


def async_canned_transport(answer: Answer) -> AsyncReplayTransport:
    """`canned_transport` for asyncio."""
    return AsyncReplayTransport(lambda request: _answer(answer, request))


def _answer(answer: Answer, request: HTTPRequest) -> Recorded:
    if isinstance(answer, Exception):
        raise answer
    if isinstance(answer, Mapping):
        return Recorded(200, {"content-type": "application/json"}, [_encode(answer)])
    if not request.is_stream:
        body = {
            "choices": [_choice(message={"role": "assistant", "content": answer}, end="stop")],
            "usage": _USAGE,
        }
        return Recorded(200, {"content-type": "application/json"}, [_encode(body)])
    texts = [answer[i : i + _PIECE] for i in range(0, len(answer), _PIECE)] or [""]
    events = [
        *({"choices": [_choice(delta={"content": text})]} for text in texts),
        {"choices": [_choice(delta={}, end="stop")]},
        {"choices": [], "usage": _USAGE},
    ]
    pieces = [encode_event(_encode(event)) for event in events]
    return Recorded(200, {"content-type": "text/event-stream"}, [*pieces, encode_event(b"[DONE]")])


def _choice(*, end: str | None = None, **said: Any) -> dict[str, Any]:
    return {"index": 0, **said, "finish_reason": end}


def _encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
