"""The frames given as bytes are those of the AWS SDK for Python's tests (botocore)."""

from __future__ import annotations

from itertools import pairwise
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.event_stream import encode_event, encode_message

from puna.wire.event_stream import EventStreamDecoder, EventStreamMessage

EMPTY = b"\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2H\xeb}\x98\xc8\xff"
ALL_TYPES = (
    b"\x00\x00\x00\x62\x00\x00\x00\x52\x03\xb5\xcb\x9c"
    b"\x010\x00\x011\x01\x012\x02\x02\x013\x03\x00\x03"
    b"\x014\x04\x00\x00\x00\x04\x015\x05\x00\x00\x00\x00\x00\x00\x00\x05"
    b"\x016\x06\x00\x05bytes\x017\x07\x00\x04utf8"
    b"\x018\x08\x00\x00\x00\x00\x00\x00\x00\x08\x019\x090123456789abcdef"
    b"\x63\x35\x36\x71"
)
ERROR = (
    b"\x00\x00\x00\x52\x00\x00\x00\x42\xbf\x23\x63\x7e"
    b"\x0d:message-type\x07\x00\x05error"
    b"\x0b:error-code\x07\x00\x04code"
    b"\x0e:error-message\x07\x00\x07message"
    b"\x6b\x6c\xea\x3d"
)
WITH_PAYLOAD = (
    b"\x00\x00\x00=\x00\x00\x00 \x07\xfd\x83\x96\x0ccontent-type\x07\x00\x10"
    b"application/json{'foo':'bar'}\x8d\x9c\x08\xb1"
)
KNOWN = [
    (EMPTY, EventStreamMessage({}, b"")),
    (
        b"\x00\x00\x00\x17\x00\x00\x00\x07)\x86\x01X\x04byte\x02\xff\xc2\xf8i\xdc",
        EventStreamMessage({}, b""),
    ),
    (
        b"\x00\x00\x00\x1d\x00\x00\x00\x00\xfdR\x8cZ{'foo':'bar'}\xc3e96",
        EventStreamMessage({}, b"{'foo':'bar'}"),
    ),
    (WITH_PAYLOAD, EventStreamMessage({"content-type": "application/json"}, b"{'foo':'bar'}")),
    (ALL_TYPES, EventStreamMessage({"7": "utf8"}, b"")),
    (
        ERROR,
        EventStreamMessage(
            {":message-type": "error", ":error-code": "code", ":error-message": "message"}, b""
        ),
    ),
]
STREAM = b"".join(
    encode_event("contentBlockDelta", {"text": text}) for text in ("a", "🦙", "c" * 400)
)


def decode(*pieces: bytes) -> tuple[list[EventStreamMessage], str | None, bool]:
    decoder = EventStreamDecoder()
    messages = [message for piece in pieces for message in decoder.feed(piece)]
    return messages, decoder.fault, decoder.is_at_message_end


@pytest.mark.parametrize(("raw", "message"), KNOWN)
def test_a_known_frame_is_read_whole_and_byte_by_byte(
    raw: bytes, message: EventStreamMessage
) -> None:
    assert decode(raw) == ([message], None, True)
    assert decode(*(raw[i : i + 1] for i in range(len(raw)))) == ([message], None, True)


def test_frames_come_in_order() -> None:
    assert decode(b"".join(raw for raw, _ in KNOWN)) == ([told for _, told in KNOWN], None, True)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_cut_gives_the_same(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[begin:end] for begin, end in pairwise(ends)]
    assert decode(*pieces) == decode(STREAM)


@given(
    headers=st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=5),
    payload=st.binary(max_size=300),
)
def test_what_was_written_is_read(headers: dict[str, str], payload: bytes) -> None:
    raw = encode_message(headers, payload)
    assert decode(raw) == ([EventStreamMessage(headers, payload)], None, True)


@given(st.integers(0, len(STREAM) - 1), st.integers(1, 255))
def test_no_changed_byte_is_read_as_if_nothing_were(at: int, change: int) -> None:
    broken = bytearray(STREAM)
    broken[at] ^= change
    messages, fault, _ = decode(bytes(broken))
    whole, _, _ = decode(STREAM)
    assert messages == whole[: len(messages)]
    assert fault is not None
    # However it is cut, the same messages come before the same fault.
    assert decode(*(bytes(broken[i : i + 1]) for i in range(len(broken))))[:2] == (messages, fault)


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"\x00\x00\x00\x0f\x00\x00\x00\x00", "impossible length"),
        (b"\x00\x00\x00\x10\x00\x00\x00\x01", "impossible length"),
        (b"\x7f\x00\x00\x00\x00\x00\x00\x00", "impossible length"),
        (b"\x01\x00\x00\x00\x00\x04\x00\x00", "impossible length"),
    ],
)
def test_a_length_that_cannot_be_is_a_fault_at_once(raw: bytes, fault: str) -> None:
    messages, found, _ = decode(raw + crc32(raw).to_bytes(4))
    assert messages == []
    assert fault in (found or "")


def encode_raw(headers: bytes) -> bytes:
    raw = encode_message({}, headers)  # the right length; the prelude says that all is headers
    prelude = raw[:4] + len(headers).to_bytes(4)
    begun = prelude + crc32(prelude).to_bytes(4) + headers
    return begun + crc32(begun).to_bytes(4)


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        (b"\x04test\x04asdf\x04test\x04asdf", "a header twice"),
        (b"\x04test\x07\x00\x09short", "broken headers"),
        (b"\x04tes", "broken headers"),
        (b"\x04test\x07\x00", "broken headers"),
        (b"\x04test\x0a", "broken headers"),
        (b"\x04test\x07\x00\x01\xff", "broken headers"),
        (b"\x01\xff\x00", "broken headers"),
    ],
)
def test_broken_headers_are_a_fault(headers: bytes, fault: str) -> None:
    messages, found, _ = decode(encode_raw(headers))
    assert messages == []
    assert fault in (found or "")


def test_nothing_is_taken_after_a_fault() -> None:
    decoder = EventStreamDecoder()
    assert decoder.feed(EMPTY + WITH_PAYLOAD[:-1] + b"\x00") == [KNOWN[0][1]]
    assert decoder.fault is not None
    assert decoder.feed(EMPTY) == []


def test_a_frame_under_way_shows() -> None:
    assert decode(EMPTY + WITH_PAYLOAD[:20])[2] is False
