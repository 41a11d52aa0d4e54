"""Plain events of a stream."""

from __future__ import annotations

import json
from typing import Any

from puna.gateway.passing.plain_stream import EVENT_END, EVENT_START

HEAD = {"id": "c", "object": "chat.completion.chunk", "created": 7}


def event_of(delta: dict[str, Any], index: int, spaces: str, extra: dict[str, Any]) -> bytes:
    chunk = {
        **HEAD,
        "model": "theirs",
        "choices": [{"index": index, "delta": delta, "finish_reason": None}],
        **extra,
    }
    separators = ("," + spaces, ":" + spaces)
    return EVENT_START + json.dumps(chunk, separators=separators).encode() + EVENT_END


def read(events: bytes) -> list[Any]:
    return [
        json.loads(event.removeprefix(EVENT_START)) for event in events.split(EVENT_END) if event
    ]
