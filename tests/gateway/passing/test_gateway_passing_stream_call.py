"""A streamed call of the fast lane: long events, and what its head tells."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.support.asgi import Answer
from tests.support.lane_pairs import AUTH, CONFIG
from tests.support.lane_requests import STREAMED, ask_edge, chunk, ended
from tests.support.lanes import Edge, request_bytes

from puna.transports.replay import Recorded
from puna.wire.http import HTTPRequest


def test_one_byte_at_a_time_a_long_event_is_read_by_the_linear_reader() -> None:
    long = chunk("x" * 40_000, role="assistant")
    data = (
        long + b"data: " + json.dumps({"choices": [{"index": 0, "finish_reason": "stop"}]}).encode()
    )
    pieces = [data[i : i + 97] for i in range(0, len(data), 97)]
    reply = Recorded(200, {"content-type": "text/event-stream"}, (*pieces, b"\n\n"))
    answer = ask_edge(STREAMED, play=lambda _: reply)
    assert answer.said == "x" * 40_000


@pytest.mark.case(121)
@pytest.mark.parametrize("is_fast", [False, True])
def test_a_streams_head_says_what_it_took(is_fast: bool) -> None:  # noqa: FBT001 - a parametrised case
    def play(request: HTTPRequest) -> Recorded:
        return ended() if "up" in request.url else Recorded(503, {}, (b"",))

    async def run() -> Answer:
        edge = Edge(play, CONFIG, is_fast=is_fast)
        return await edge.ask(request_bytes({**STREAMED, "model": "falls"}, AUTH))

    assert asyncio.run(run()).headers["x-litellm-attempted-fallbacks"] == "1"
