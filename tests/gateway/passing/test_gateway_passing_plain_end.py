"""The end of a stream that is passed on is told as a reader would; any other is left to one."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.plain_events import HEAD, event_of, read

from puna.gateway.passing.plain_end import Ending, PlainEnd
from puna.gateway.passing.plain_stream import EVENT_END, EVENT_START
from puna.wire.plain_chunks import PlainChunk, read_chunk

SPENT = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "x": 1}


def finish_of(**fields: Any) -> bytes:
    choice = {"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": 9}
    return event_bytes({**HEAD, "model": "theirs", "choices": [choice], **fields})


def event_bytes(chunk: Any) -> bytes:
    return EVENT_START + json.dumps(chunk).encode() + EVENT_END


USAGE = event_bytes({**HEAD, "id": "other", "choices": [], "usage": SPENT})
DONE = b"data: [DONE]\n\n"


def head() -> PlainChunk:
    first = event_of({"role": "assistant", "content": ""}, 0, "", {})
    chunk = read_chunk(first.removeprefix(EVENT_START))
    assert chunk is not None
    return chunk


def end_of(data: bytes, cuts: list[int], *, wants_usage: bool) -> tuple[Ending | None, PlainEnd]:
    end = PlainEnd(head(), "ours", wants_usage=wants_usage)
    ending: Ending | None = None
    for start, stop in pairwise([0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]):
        assert ending is None
        if not end.is_odd:
            ending = end.feed(data[start:stop])
    return ending, end


@given(
    is_with_finish=st.booleans(),
    wants_usage=st.booleans(),
    cuts=st.lists(st.integers(0, 500), max_size=4),
    delta=st.sampled_from([{}, {"content": ""}, {"content": None, "role": "assistant"}]),
)
def test_a_plain_end_is_told_as_a_reader_would(
    is_with_finish: bool,  # noqa: FBT001 - drawn
    wants_usage: bool,  # noqa: FBT001 - drawn
    cuts: list[int],
    delta: dict[str, Any],
) -> None:
    choice = {"index": 0, "delta": delta, "finish_reason": "stop", "stop_reason": 9}
    usage = {"usage": {**SPENT, "prompt_tokens_details": None}} if is_with_finish else {}
    data = finish_of(choices=[choice], system_fingerprint=None, **usage)
    data += (b"" if is_with_finish else USAGE) + DONE
    limit = len(data) - 1  # the last piece brings the end
    ending, end = end_of(data, [min(cut, limit) for cut in cuts], wants_usage=wants_usage)
    assert ending is not None
    assert end.held == data
    assert (ending.finish_reason, ending.usage.completion_tokens) == ("stop", 4)
    events = ending.events.removesuffix(DONE)
    assert len(events) < len(ending.events)
    told = {**HEAD, "model": "ours"}
    usages = [{**told, "choices": [], "usage": SPENT}] if wants_usage else []
    assert read(events) == [{**told, "choices": [{**choice, "delta": {}}]}, *usages]


@pytest.mark.parametrize(
    "data",
    [
        finish_of() + DONE,  # without usage
        DONE,
        USAGE + DONE,
        b": ping\n\n" + finish_of() + USAGE + DONE,
        finish_of() + finish_of() + USAGE + DONE,
        finish_of() + event_bytes({**HEAD, "choices": [], "usage": {"total_tokens": 1}}) + DONE,
        finish_of() + event_bytes({**HEAD, "error": {"message": "no"}, "choices": []}) + DONE,
        finish_of(choices=[{"index": 1, "delta": {}, "finish_reason": "stop"}]) + USAGE + DONE,
        finish_of(choices=[{"index": 0, "delta": {"tool_calls": []}, "finish_reason": "stop"}]),
        finish_of(choices=[{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]),
        finish_of().replace(b"\n\n", b"\r\n\r\n"),
        b"data: " + b"x" * 70_000,
    ],
)
def test_any_other_end_is_left_to_a_reader(data: bytes) -> None:
    ending, end = end_of(data, [], wants_usage=True)
    assert ending is None
    assert end.is_odd
    assert end.held == data
