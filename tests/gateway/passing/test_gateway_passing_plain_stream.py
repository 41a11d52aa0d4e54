"""Events that are passed on unread are those that a reader would have passed on."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.support.plain_events import HEAD, event_of, read

from puna.gateway.passing.plain_stream import EVENT_END, PlainStream
from puna.wire.splicing import Renaming

TEXTS = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from('ab "\\\x7f\n{}')), max_size=8
)


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
        known = plain.feed_known(data) if knows else b""
        events, rest = (known, None) if known else plain.feed(data)
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
    assert plain.pop_text() == "".join(text for text, _ in said)
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
    events, rest = PlainStream(Renaming("ours")).feed(before + behind)
    assert len(read(events)) == len(deltas)
    assert rest == behind


def test_a_broken_text_between_known_bytes_is_no_plain_event() -> None:
    plain = PlainStream(Renaming("ours"))
    whole = b"".join(
        event_of(delta, 0, "", {})
        for delta in ({"role": "assistant", "content": ""}, {"content": "a"}, {"content": "b"})
    )
    assert len(read(plain.feed(whole)[0])) == 3
    broken = event_of({"content": "MARK"}, 0, "", {})
    for text in (b'a"b', b"a\\", b"\\x", b"a\x01", b"\xff", b""):
        data = broken.replace(b"MARK", text)
        assert plain.feed_known(data) == b""
        assert plain.feed(data) == (b"", data)
    good = event_of({"content": "c"}, 0, "", {})
    for text in (b'a"b', b"a\\", b""):
        data = good + broken.replace(b"MARK", text) + good
        assert plain.feed_known(data) == b""
        assert plain.feed(data) == (good.replace(b"theirs", b"ours"), data[len(good) :])
