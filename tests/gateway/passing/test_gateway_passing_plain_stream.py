"""Events that are passed on unread are those that a reader would have passed on."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.gateway.passing.plain_end import Ending, PlainEnd
from puna.gateway.passing.plain_stream import EVENT_END, EVENT_START, PlainStream
from puna.wire.plain_replies import PlainChunk, read_chunk
from puna.wire.splicing import Renaming

HEAD = {"id": "c", "object": "chat.completion.chunk", "created": 7}
TEXTS = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from('ab "\\\x7f\n{}')), max_size=8
)


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


@given(
    said=st.lists(st.tuples(TEXTS.filter(bool), st.integers(0, 1)), max_size=12),
    spaces=st.sampled_from(["", " "]),
    extra=st.sampled_from(
        [{}, {"usage": None}, {"x": {"content": "content"}}, {"x": '"content":"'}]
    ),
    cuts=st.lists(st.integers(0, 4_000), max_size=6),
    knows=st.booleans(),
)
def test_however_the_events_are_cut_they_arrive_as_they_were(
    said: list[tuple[str, int]],
    spaces: str,
    extra: dict[str, Any],
    cuts: list[int],
    knows: bool,  # noqa: FBT001 - drawn
) -> None:
    deltas = [
        *(({"role": "assistant", "content": ""}, index) for index in (0, 1)),
        *(({"content": text}, index) for text, index in said),
    ]
    wire = b"".join(event_of(delta, index, spaces, extra) for delta, index in deltas)
    plain = PlainStream(Renaming("ours"))
    places = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    sent = b""
    for start, end in pairwise(places):
        data = wire[start:end]
        known = plain.take_known(data) if knows else b""
        events, rest = (known, None) if known else plain.take(data)
        assert rest is None
        sent += events
    shown = {name: value for name, value in extra.items() if value is not None}
    assert read(sent) == [
        {
            **HEAD,
            "model": "ours",
            "choices": [{"index": index, "delta": delta, "finish_reason": None}],
            **shown,
        }
        for delta, index in deltas
    ]
    assert plain.take_text() == "".join(text for text, _ in said)
    assert plain.rest == b""


@given(
    odd=st.sampled_from(
        [
            b'data: {"id":"c","choices":[]}',
            b"data: [DONE]",
            b": ping",
            b'data: {"content":"a"b"}',
        ]
    ),
    texts=st.lists(TEXTS.filter(bool), max_size=4),
)
def test_the_first_event_that_is_not_plain_and_all_behind_it_are_left(
    odd: bytes, texts: list[str]
) -> None:
    deltas = [{"role": "assistant", "content": ""}, *({"content": text} for text in texts)]
    before = b"".join(event_of(delta, 0, "", {}) for delta in deltas)
    behind = odd + EVENT_END + event_of({"content": "later"}, 0, "", {}) + b"data: {"
    events, rest = PlainStream(Renaming("ours")).take(before + behind)
    assert len(read(events)) == len(deltas)
    assert rest == behind


def test_a_broken_text_between_known_bytes_is_no_plain_event() -> None:
    plain = PlainStream(Renaming("ours"))
    whole = b"".join(
        event_of(delta, 0, "", {})
        for delta in ({"role": "assistant", "content": ""}, {"content": "a"}, {"content": "b"})
    )
    assert len(read(plain.take(whole)[0])) == 3
    broken = event_of({"content": "MARK"}, 0, "", {})
    for text in (b'a"b', b"a\\", b"\\x", b"a\x01", b"\xff", b""):
        data = broken.replace(b"MARK", text)
        assert plain.take_known(data) == b""
        assert plain.take(data) == (b"", data)
    good = event_of({"content": "c"}, 0, "", {})
    for text in (b'a"b', b"a\\", b""):
        data = good + broken.replace(b"MARK", text) + good
        assert plain.take_known(data) == b""
        assert plain.take(data) == (good.replace(b"theirs", b"ours"), data[len(good) :])


# --- the end


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
            ending = end.take(data[start:stop])
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
