"""How the events of a stream leave: those that came together, together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.asgi import CHAT, MODEL, Answer, House

from puna.errors import APIError, StreamInterruptedError
from puna.transports.replay import AsyncReplayTransport, Recorded

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
BODIES: Mapping[str, Any] = {
    "/v1/chat/completions": {**CHAT, "tools": TOOLS, "stream": True},
    "/v1/messages": {
        "model": MODEL,
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
    },
    "/v1/responses": {"model": MODEL, "input": "hi", "stream": True},
}


def chunk(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: %b\n\n" % json.dumps({**head, "choices": [choice]}).encode()


ROLE = chunk({"role": "assistant", "content": "a"})
TEXTS = [chunk({"content": f"text{number}"}) for number in range(6)]
END = chunk({}, "stop") + b"data: [DONE]\n\n"


def ask(path: str, *pieces: bytes, error: APIError | None = None) -> Answer:
    """The answer to a stream that comes in these pieces."""
    headers = {"content-type": "text/event-stream"}
    recorded = Recorded(200, headers, pieces, error=error)
    return House(transport=AsyncReplayTransport(lambda _: recorded)).ask(path, BODIES[path])


@pytest.mark.parametrize("path", BODIES)
def test_events_that_come_in_one_read_leave_in_one_write(path: str) -> None:
    apart = ask(path, ROLE, *TEXTS, END)
    together = ask(path, ROLE, b"".join(TEXTS), END)
    assert together.text.count("text5") == apart.text.count("text5") > 0
    assert len(apart.pieces) - len(together.pieces) == len(TEXTS) - 1
    assert [piece for piece in together.pieces if b"text0" in piece and b"text5" in piece]


@pytest.mark.parametrize("path", BODIES)
def test_events_that_came_with_a_failure_leave_before_it(path: str) -> None:
    broken = b"data: {broken\n\n"
    answer = ask(path, ROLE, b"".join(TEXTS) + broken)
    assert answer.text.index("text5") < answer.text.rindex("error")
    cut = ask(path, ROLE, b"".join(TEXTS), error=StreamInterruptedError("The host has left."))
    assert cut.text.index("text5") < cut.text.rindex("error")
