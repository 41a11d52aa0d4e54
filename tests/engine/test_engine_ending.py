"""An answer ends soon after its finish, whatever its host still sends, or does not send."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tests.support.asgi import CHAT, MODEL, House, events_of
from tests.support.clock import FakeClock
from tests.support.faces import BOTH, OFFLINE, Face, Streamed, settings_for
from tests.support.lane_pairs import ASKING, AUTH
from tests.support.lanes import Edge, read_answer, request_bytes
from tests.support.upstream import TEXT, USAGE, Reply, Upstream, event, text_chunks, usage_chunk

from puna.engine.delivery import is_framed
from puna.engine.ending import Ending
from puna.engine.streams import ENDING_S, USAGE_S
from puna.transports.replay import Recorded

HEAD = {"content-type": "text/event-stream"}
FINISHED = [event(one) for one in text_chunks()]
PING = b": ping\n\n"
STEP_S = 0.3
ASKED: dict[str, Any] = {"stream_options": {"include_usage": True}}


class _Pinging:
    """A body that goes on for ever after these events; time passes before each heartbeat."""

    def __init__(self, clock: FakeClock, events: list[bytes], late: dict[int, bytes]) -> None:
        self._clock = clock
        self._events = events
        self._late = late

    def __iter__(self) -> Iterator[bytes]:
        yield from self._events
        for turn in itertools.count():
            self._clock.pass_time(STEP_S)
            yield self._late.get(turn, PING)


def _stream(
    face: Face, clock: FakeClock, late: dict[int, bytes] | None = None, **options: Any
) -> Streamed:
    body: Any = _Pinging(clock, FINISHED, late or {})
    return face.stream(OFFLINE, play=lambda _: Recorded(200, HEAD, body), clock=clock, **options)


def _passed_s(clock: FakeClock) -> float:
    return clock.monotonic() - FakeClock().monotonic()


@BOTH
def test_heartbeats_after_the_finish_do_not_hold_the_end(face: Face) -> None:
    """bifrost#6784, claude-code-router#1271: no `[DONE]`, no end of the body, pings for ever."""
    clock = FakeClock()
    made = _stream(face, clock)
    assert (made.text, made.finish_reasons, made.error) == (TEXT, ["stop"], None)
    assert ENDING_S <= _passed_s(clock) <= ENDING_S + 2 * STEP_S


@BOTH
def test_usage_that_comes_late_is_waited_for_and_then_the_end_is_near(face: Face) -> None:
    clock = FakeClock()
    made = _stream(face, clock, {8: event(usage_chunk())}, **ASKED)
    assert made.chunks[-1].usage is not None
    assert made.chunks[-1].usage.completion_tokens == USAGE["completion_tokens"]
    assert made.report is not None
    assert not made.report.is_usage_estimated
    assert _passed_s(clock) <= 9 * STEP_S + ENDING_S + 2 * STEP_S


@BOTH
def test_usage_that_never_comes_is_estimated(face: Face) -> None:
    clock = FakeClock()
    made = _stream(face, clock, **ASKED)
    assert made.error is None
    assert made.chunks[-1].usage is not None
    assert made.report is not None
    assert made.report.is_usage_estimated
    assert USAGE_S <= _passed_s(clock) <= USAGE_S + 2 * STEP_S


@BOTH
def test_the_timeout_of_a_call_counts_at_its_end(face: Face) -> None:
    clock = FakeClock()
    made = _stream(face, clock, timeout=0.5, **ASKED)
    assert (made.text, made.error) == (TEXT, None)
    assert _passed_s(clock) <= 0.5 + 2 * STEP_S


@BOTH
def test_a_body_that_stays_open_does_not_hold_the_end(face: Face, upstream: Upstream) -> None:
    upstream.plays(Reply.sse(*text_chunks(), is_done=False, end="hang"))
    made = face.stream(settings_for(upstream))
    assert (made.text, made.finish_reasons, made.error) == (TEXT, ["stop"], None)
    assert upstream.sees(lambda: upstream.open_replies == 0)


@BOTH
def test_a_finish_that_a_host_left_out_is_reported(face: Face, upstream: Upstream) -> None:
    """opencode#43379."""
    upstream.plays(Reply.sse(*text_chunks()[:-1]))
    made = face.stream(settings_for(upstream))
    assert (made.finish_reasons, made.error) == (["stop"], None)
    assert made.report is not None
    assert made.report.is_finish_assumed
    told = face.stream(settings_for(upstream)).report
    assert told is not None
    assert not told.is_finish_assumed


@BOTH
def test_a_capped_muse_stream_is_cut_and_counted_as_its_cap(face: Face, upstream: Upstream) -> None:
    upstream.plays(Reply.sse(*text_chunks()))
    host: dict[str, Any] = {"api_base": upstream.url, "api_key": "sk-muse"}
    made = face.stream(OFFLINE, "meta/muse-spark-1.2", max_tokens=16, **host, **ASKED)
    assert made.finish_reasons == ["length"]
    assert made.report is not None
    assert (made.report.finish_reason, made.report.completion_tokens) == ("length", 16)


MESSAGES = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
SHAPES: dict[str, tuple[str, Mapping[str, Any], str]] = {
    "chat": ("/v1/chat/completions", CHAT, "[DONE]"),
    "completions": ("/v1/completions", {"model": MODEL, "prompt": "hi"}, "[DONE]"),
    "messages": ("/v1/messages", MESSAGES, "message_stop"),
    "responses": ("/v1/responses", {"model": MODEL, "input": "hi"}, "response.completed"),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("is_done", [True, False], ids=["with [DONE]", "without"])
def test_every_shape_ends_though_the_body_stays_open(
    shape: str, upstream: Upstream, *, is_done: bool
) -> None:
    path, body, last = SHAPES[shape]
    upstream.plays(Reply.sse(*text_chunks(), is_done=is_done, end="hang"))
    answer = House(upstream).ask(path, {**body, "stream": True, "num_retries": 0})
    ended = answer.events[-1] if last == "[DONE]" else events_of(answer)[-1]["type"]
    assert ended == last


@pytest.mark.parametrize("has_usage", [True, False], ids=["usage", "none"])
def test_the_fast_lane_ends_though_the_body_stays_open(*, has_usage: bool) -> None:
    told = [{**usage_chunk()}] if has_usage else []
    pieces = [event(one) for one in [*text_chunks(), *told]]

    async def ask() -> Any:
        edge = Edge(lambda _: Recorded(200, HEAD, pieces), ASKING, is_fast=True)
        edge.hot.is_silent = True
        protocol, wire = edge.connect()
        asked = {"model": "public", "messages": CHAT["messages"], "stream": True}
        protocol.data_received(request_bytes(json.dumps(asked).encode(), headers=AUTH))
        for _ in range(10_000):
            answer = read_answer(wire.written)
            if answer is not None:
                return answer, edge
            await asyncio.sleep(0.02)
        raise AssertionError("the answer did not end")

    answer, edge = asyncio.run(ask())
    assert answer.events[-1] == "[DONE]"
    assert answer.said == TEXT
    assert edge.hot.exchanges[0].is_cancelled
    assert edge.events[0].report.finish_reason == "stop"
    assert edge.events[0].report.is_usage_estimated is not has_usage
    assert edge.events[0].report.lane == "fast"


def test_a_shorter_limit_counts_from_when_it_is_known() -> None:
    clock = FakeClock()
    ending = Ending(clock)
    assert ending.left_s == math.inf
    ending.limit(5.0)
    clock.pass_time(3.0)
    ending.limit(5.0)
    assert ending.left_s == pytest.approx(2.0)
    ending.limit(1.0)
    assert ending.left_s == pytest.approx(1.0)


def test_only_a_body_with_a_length_or_chunks_has_an_end_of_its_own() -> None:
    assert is_framed({"transfer-encoding": "chunked"})
    assert is_framed({"content-length": "3"})
    assert not is_framed(HEAD)
