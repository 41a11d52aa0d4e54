"""Streams between bytes and caller, without a network: every cut, every end, both engines."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncGenerator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.clock import FakeClock
from tests.support.faces import BOTH, FACES, OFFLINE, Face, Streamed
from tests.support.upstream import chunk, event, text_chunks, tool_chunks, usage_chunk

from puna import APIConnectionError, APITimeoutError, StreamInterruptedError
from puna.engine.streams import AsyncStream, Stream
from puna.transports.replay import Recorded, in_order
from puna.types.report import CallReport

HEAD = {"content-type": "text/event-stream"}
BODIES = [
    b"".join(event(c) for c in chunks) + b"data: [DONE]\n\n"
    for chunks in (
        [*text_chunks(("Grüße, ", "🦙", "\n")), usage_chunk()],
        tool_chunks(),
        [chunk({"content": "a"}), {"error": {"message": "melted"}}],
    )
]


def _shape(streamed: Streamed) -> tuple[str, str, str]:
    chunks = [c.model_dump(mode="json") for c in streamed.chunks]
    for one in chunks:
        one.pop("created")
    return json.dumps(chunks), type(streamed.error).__name__, str(streamed.error)


@pytest.mark.case(54)
@given(
    body=st.sampled_from(BODIES),
    cuts=st.lists(st.integers(0, 1200), max_size=6),
    wants_usage=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_a_stream_cut_anywhere_gives_the_same_chunks_sync_and_async(
    body: bytes,
    cuts: list[int],
    wants_usage: bool,  # noqa: FBT001 - drawn
) -> None:
    marks = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    pieces = [body[a:b] for a, b in pairwise(marks)]
    options: dict[str, Any] = {"stream_options": {"include_usage": True}} if wants_usage else {}
    shapes = {
        _shape(
            face.stream(
                OFFLINE, play=in_order(Recorded(200, HEAD, parts)), clock=FakeClock(), **options
            )
        )
        for face in FACES
        for parts in (pieces, [body])
    }
    assert len(shapes) == 1


@pytest.mark.case(51)
@BOTH
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (APIConnectionError("gone"), StreamInterruptedError),
        (APITimeoutError("slow"), APITimeoutError),
        (StreamInterruptedError("cut"), StreamInterruptedError),
    ],
)
def test_a_break_after_the_first_chunk_is_not_tried_again(
    face: Face, error: APIConnectionError, kind: type[APIConnectionError]
) -> None:
    begun = Recorded(200, HEAD, [event(chunk({"content": "a"}))], error=error)
    streamed = face.stream(OFFLINE, play=in_order(begun), clock=FakeClock())
    assert streamed.text == "a"
    assert type(streamed.error) is kind
    assert streamed.report is not None
    assert streamed.report.attempts == 1


@pytest.mark.case(141)
@BOTH
@pytest.mark.parametrize(
    "broken",
    [
        Recorded(error=APIConnectionError("refused"), is_refused=True),
        Recorded(200, HEAD, error=APIConnectionError("cut")),
        Recorded(200, HEAD, error=StreamInterruptedError("cut")),
        Recorded(200, HEAD, [b": nothing\n\n"]),
    ],
    ids=["refused", "cut", "interrupted", "empty"],
)
def test_a_break_before_the_first_chunk_is_tried_again(face: Face, broken: Recorded) -> None:
    good = Recorded(200, HEAD, [BODIES[0]])
    clock = FakeClock()
    streamed = face.stream(OFFLINE, play=in_order(broken, good), clock=clock)
    assert (streamed.text, streamed.error) == ("Grüße, 🦙\n", None)
    assert len(clock.sleeps) == 1
    assert streamed.report is not None
    assert streamed.report.retries == 1


def test_a_stream_can_be_left_and_mapped() -> None:
    closes: list[int] = []
    stream = Stream((n for n in range(3)), lambda: closes.append(1), CallReport("c"))
    with stream.map(str) as texts:
        assert next(texts) == "0"
    assert list(stream) == []
    assert closes
    del stream, texts
    gc.collect()


def test_an_async_stream_that_outlives_its_loop_is_dropped_quietly() -> None:
    async def numbers() -> AsyncStream[int]:
        async def count() -> None:
            return

        async def generate() -> AsyncGenerator[int, None]:
            yield 1

        return AsyncStream(generate(), count, CallReport("c"))

    stream = asyncio.run(numbers())
    del stream
    gc.collect()
