"""Streams with tool calls through both lanes, which must agree."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.support.agent_lanes import compare
from tests.support.asgi import Answer

from puna.errors import APIConnectionError
from puna.transports.replay import Recorded

EVENTS = {"content-type": "text/event-stream"}
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
HEAD = {
    "id": "cmpl-7",
    "object": "chat.completion.chunk",
    "created": 1_750_000_001,
    "model": "up/model",
}
TOOL = {"type": "function", "function": {"name": "get", "parameters": {"type": "object"}}}
ASKED: dict[str, Any] = {
    "model": "public",
    "messages": [{"role": "user", "content": "hi"}],
    "tools": [TOOL],
}
BEGIN = {"index": 0, "id": "c1", "type": "function", "function": {"name": "get", "arguments": ""}}


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0, **fields: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    data = json.dumps({**HEAD, "choices": [choice], **fields}, separators=(",", ":"))
    return f"data: {data}\n\n".encode()


def piece(arguments: str) -> bytes:
    return chunk({"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]})


TOLD = f"data: {json.dumps({**HEAD, 'choices': [], 'usage': USAGE})}\n\n".encode()
DONE = b"data: [DONE]\n\n"


def ask(body: dict[str, Any] | bytes, recorded: Recorded) -> Answer:
    """Send it through both ways, which must agree."""

    async def run() -> Answer:
        return (await compare(body, recorded))[1]

    return asyncio.run(run())


def ask_stream(*events: bytes, error: APIConnectionError | None = None, **more: Any) -> Answer:
    return ask({**ASKED, "stream": True, **more}, Recorded(200, EVENTS, events, error))
