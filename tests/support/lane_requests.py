"""Usual requests for a gateway without sockets, and the replies of its host."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.support.asgi import Answer
from tests.support.lane_pairs import AUTH, CONFIG
from tests.support.lanes import Edge, request_bytes

from puna.telemetry.events import CallEvent
from puna.transports.replay import Player, Recorded

HI = {"model": "public", "messages": [{"role": "user", "content": "hi"}]}


def plain_reply(model: str = "up/model") -> Recorded:
    message = {"role": "assistant", "content": "Hello"}
    reply = {
        "id": "cmpl-7",
        "object": "chat.completion",
        "created": 5,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    }
    return Recorded(200, {"content-type": "application/json"}, (json.dumps(reply).encode(),))


def ask_edge(body: Any, *, config: str = CONFIG, play: Player | None = None) -> Answer:
    async def ask() -> Answer:
        edge = Edge(play or (lambda _: plain_reply()), config, is_fast=True)
        return await edge.ask(request_bytes(body, AUTH))

    return asyncio.run(ask())


def chunk(text: str, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text, **fields}, "finish_reason": None}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 5, "model": "up/model"}
    return b"data: " + json.dumps({**head, "choices": [choice]}).encode() + b"\n\n"


def endless() -> Recorded:
    pieces = (chunk("a", role="assistant"), *(chunk("b") for _ in range(500)))
    return Recorded(200, {"content-type": "text/event-stream"}, pieces)


def ended() -> Recorded:
    last = b'data: {"choices":[{"index":0,"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    whole = endless()
    return Recorded(200, whole.headers, (*whole.pieces, last))


STREAMED = {**HI, "stream": True}


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def spoil(event: CallEvent) -> None:
    """A hook that makes the head of the reply impossible."""
    setattr(event.report, "duration_s", None)  # noqa: B010 - no type allows it
