"""A streamed call of the fast lane: long events, and what its head tells."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.support.asgi import Answer
from tests.support.lane_pairs import AUTH, CONFIG, ask_both
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


@pytest.mark.parametrize("is_asked", [True, False])
@pytest.mark.parametrize("texts", [("", "Hello"), ("Hel", "lo"), ("", "Hel", "lo")])
def test_a_host_that_ends_its_body_without_a_finish_has_finished_in_both_lanes(
    texts: tuple[str, ...], *, is_asked: bool
) -> None:
    """opencode#43379: the end of a framed body ends the answer, wherever its text was read."""
    first, *later = texts
    pieces = [chunk(first, role="assistant"), *map(chunk, later)]
    framed = {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
    asked = {**STREAMED, "stream_options": {"include_usage": is_asked}}

    async def run() -> Answer:
        data = request_bytes(asked, AUTH)
        _, _, answer = await ask_both(lambda _: Recorded(200, framed, pieces), data)
        return answer

    answer = asyncio.run(run())
    assert answer.said == "Hello"
    assert '"finish_reason":"stop"' in answer.text
    assert answer.events[-1] == "[DONE]"
