"""Requests to the Messages API of a gateway, and the events of its answers."""

from __future__ import annotations

import json
from typing import Any

from tests.support.asgi import MODEL, Answer, House
from tests.support.upstream import Upstream

KEY = "sk-master-canary-7730"
ASK: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "hi"}],
}
WEATHER = {"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}
VERSION = {"anthropic-version": "2023-06-01"}


def ask(upstream: Upstream, body: Any = ASK, path: str = "/v1/messages", **how: Any) -> Answer:
    return House(upstream, **how).ask(path, body, VERSION)


def events_in(answer: Answer) -> list[dict[str, Any]]:
    """The events of a stream; each frame's name is its event's type."""
    assert answer.headers["content-type"] == "text/event-stream"
    frames = answer.text.split("\n\n")
    assert frames[-1] == "", "a stream ends with a blank line"
    events: list[dict[str, Any]] = []
    for frame in frames[:-1]:
        name, data = frame.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


def error_in(body: Any, answer: Answer) -> dict[str, Any]:
    """The error inside a body of Anthropic's shape."""
    assert set(body) == {"type", "error", "request_id"}
    assert body["type"] == "error"
    assert set(body["error"]) == {"type", "message"}
    assert body["request_id"] == answer.headers["request-id"]
    found: dict[str, Any] = body["error"]
    return found
