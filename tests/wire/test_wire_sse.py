from __future__ import annotations

import json
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.wire.sse import SSEDecoder, SSEEvent, encode_event


def decode(*pieces: bytes) -> list[SSEEvent]:
    decoder = SSEDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()


def data(*texts: bytes) -> list[SSEEvent]:
    return [SSEEvent("", text) for text in texts]


@pytest.mark.case(54)
@pytest.mark.parametrize(
    ("raw", "events"),
    [
        (b"data: a\n\n", data(b"a")),
        (b"data: a\r\n\r\n", data(b"a")),
        (b"data: a\r\r", data(b"a")),
        (b"data: a\n\r\ndata: b\r\n\n", data(b"a", b"b")),
        (b"data:a\n\n", data(b"a")),
        (b"data:  a\n\n", data(b" a")),
        (b"data: a:b\n\n", data(b"a:b")),
        (b"data: a\ndata: b\ndata:\ndata: c\n\n", data(b"a\nb\n\nc")),
        (b"data\n\n", data(b"")),
        (b"data:\n\n", data(b"")),
        (b"\xef\xbb\xbfdata: a\n\n", data(b"a")),
        (b"\n\xef\xbb\xbfdata: a\n\n", []),
        (b": a comment\n\ndata: a\n: another\ndata: b\n\n", data(b"a\nb")),
        (b":\n\n\n\n:\n", []),
        (b"id: 1\nretry: 10\nunknown\ndata: a\n\n", data(b"a")),
        (b"event: x\ndata: a\n\ndata: b\n\n", [SSEEvent("x", b"a"), SSEEvent("", b"b")]),
        (b"event: x\n\ndata: b\n\n", data(b"b")),
        (b"event:x\nevent: y\ndata: a\n\n", [SSEEvent("y", b"a")]),
        (b"event: \xff\ndata: a\n\n", [SSEEvent("�", b"a")]),
        (b"data: a\n\ndata: b\n\ndata: c\n\n", data(b"a", b"b", b"c")),
        (b"data: a", data(b"a")),
        (b"data: a\n", data(b"a")),
        (b"data: a\r", data(b"a")),
        (b"data: a\ndat", data(b"a")),
        (b"", []),
        (b"\xef\xbb\xbf", []),
        (b"Data: a\n data: b\n\n", []),
        ("data: 🦙\n\n".encode(), data("🦙".encode())),
    ],
)
def test_each_rule_of_the_format_holds_whole_and_byte_by_byte(
    raw: bytes, events: list[SSEEvent]
) -> None:
    assert decode(raw) == events
    assert decode(*(raw[i : i + 1] for i in range(len(raw)))) == events
    for cut in range(len(raw) + 1):
        assert decode(raw[:cut], b"", raw[cut:]) == events


def test_an_event_is_given_as_soon_as_its_blank_line_is_there() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"data: a\r\n\r") == data(b"a")
    assert decoder.feed(b"\ndata: b\n") == []
    assert decoder.feed(b"\n") == data(b"b")
    assert decoder.close() == []
    assert decoder.close() == []


LINES = st.sampled_from(
    [b"data: a", b"data:b", b"data", b": c", b"event: e", b"", b"", b"id: 1", "data: é🦙".encode()]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    lines = draw(st.lists(st.tuples(LINES, ENDS), max_size=30))
    raw = draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + b"".join(a + b for a, b in lines)
    raw += draw(st.binary(max_size=12))
    cuts = sorted(draw(st.lists(st.integers(0, len(raw)), max_size=20)))
    return raw, [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]


@given(cut_streams())
@pytest.mark.case(54)
def test_any_cutting_gives_the_same_events(stream: tuple[bytes, list[bytes]]) -> None:
    raw, pieces = stream
    assert b"".join(pieces) == raw
    assert decode(*pieces) == decode(raw)


@given(
    st.lists(
        st.tuples(st.dictionaries(st.text(), st.text(), max_size=3), st.sampled_from(["", "done"])),
        max_size=8,
    )
)
def test_what_is_encoded_is_decoded_again(values: list[tuple[dict[str, str], str]]) -> None:
    raw = b"".join(encode_event(json.dumps(value).encode(), name) for value, name in values)
    assert [(json.loads(e.data), e.event) for e in decode(raw)] == values


@pytest.mark.case(54)
def test_a_line_of_5_mb_in_small_pieces_takes_linear_time() -> None:
    size, piece = 5_000_000, 100

    def seconds(total: int) -> float:
        block = b"x" * piece
        decoder = SSEDecoder()
        began_at = time.process_time()
        decoder.feed(b"data: ")
        for _ in range(total // piece):
            decoder.feed(block)
        (event,) = decoder.feed(b"\n\n")
        assert len(event.data) == total
        return time.process_time() - began_at

    # Twenty-five times the bytes may take 25 times as long, with room for noise; squared is 625.
    assert seconds(size) < max(100 * seconds(size // 25), 1.0)


@pytest.mark.parametrize("line", [b"data:\n", b"data: ab\n", b'{"a":\n'])
def test_an_event_of_very_many_lines_takes_a_few_times_its_size(line: bytes) -> None:
    body = line * (1_200_000 // len(line))
    decoder = SSEDecoder()
    tracemalloc.start()
    try:
        for at in range(0, len(body), 16_384):
            decoder.feed(body[at : at + 16_384])
        (event,) = decoder.feed(b"\n") or [SSEEvent("", b"")]
        assert tracemalloc.get_traced_memory()[1] < 8 * len(body)
    finally:
        tracemalloc.stop()
    if line.startswith(b"data:"):
        value = line.removeprefix(b"data:").strip()
        assert event.data == b"\n".join([value] * (1_200_000 // len(line)))
