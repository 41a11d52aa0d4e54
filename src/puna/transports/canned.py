"""A transport that returns one prepared answer, for `mock_response`.

A text becomes an answer in OpenAI's chat shape with a usage of 10 + 20 tokens; a stream of it has
pieces of three characters, as LiteLLM's mock does (observed, release 1.106.2). A mapping is the
body of the reply; where it is a completion, a stream of it says the same in pieces.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from puna.transports.replay import AsyncReplayTransport, Recorded, ReplayTransport
from puna.wire.http import HTTPRequest
from puna.wire.sse import encode_event

Answer = str | Mapping[str, Any] | Exception

_USAGE = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
_PIECE = 3


def canned_transport(answer: Answer) -> ReplayTransport:
    """A transport that answers every request with this text or body, or raises this exception."""
    return ReplayTransport(lambda request: _reply_for(answer, request))


def async_canned_transport(answer: Answer) -> AsyncReplayTransport:
    """`canned_transport` for asyncio."""
    return AsyncReplayTransport(lambda request: _reply_for(answer, request))


def _reply_for(answer: Answer, request: HTTPRequest) -> Recorded:
    """The reply for a request: the prepared answer, whole or as a stream."""
    if isinstance(answer, Exception):
        raise answer
    if isinstance(answer, str):
        message = {"role": "assistant", "content": answer}
        answer = {"choices": [_make_choice(message=message, end="stop")], "usage": _USAGE}
    if not request.is_stream or "choices" not in answer:
        return Recorded(200, {"content-type": "application/json"}, [_encode(answer)])
    events = [_encode(event) for event in _completion_chunks(answer)]
    pieces = [encode_event(event) for event in (*events, b"[DONE]")]
    return Recorded(200, {"content-type": "text/event-stream"}, pieces)


def _completion_chunks(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The chunks of a completion: for each choice its text in pieces, its calls and its finish.

    Then usage.
    """
    for choice in body["choices"]:
        index, message = choice.get("index", 0), choice.get("message") or {}
        text = message.get("content") or ""
        for start in range(0, len(text) or 1, _PIECE):
            yield _chunk(_make_choice(index=index, delta={"content": text[start : start + _PIECE]}))
        for place, call in enumerate(message.get("tool_calls") or ()):
            yield _chunk(
                _make_choice(index=index, delta={"tool_calls": [{**call, "index": place}]})
            )
        end = choice.get("finish_reason") or "stop"
        yield _chunk(_make_choice(index=index, delta={}, end=end))
    yield {"choices": [], "usage": body.get("usage") or _USAGE}


def _chunk(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    """A chunk with one choice."""
    return {"choices": [choice]}


def _make_choice(*, end: str | None = None, index: int = 0, **said: Any) -> dict[str, Any]:
    """A choice of an answer or a chunk, with the given fields and finish reason."""
    return {"index": index, **said, "finish_reason": end}


def _encode(value: Any) -> bytes:
    """Serialize a value as JSON."""
    return json.dumps(value, ensure_ascii=False).encode()
