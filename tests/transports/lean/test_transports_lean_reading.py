"""Replies however they are cut, damaged or ended: the same, or an error, and never a part."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.lean_hostile import assert_is_next, cut_at, exchange
from tests.support.memory_network import Step, run

from puna.errors import APIConnectionError
from puna.transports.lean.reading import ReplyReader, read_single_chunk


@dataclass(frozen=True)
class Sent:
    """A good reply: its wire form and what it says."""

    wire: bytes
    body: bytes
    ends_at_close: bool


def _chunked(data: bytes, size: int, extension: bytes = b"") -> bytes:
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    framed = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
    return framed + b"0\r\ntrailer: ignored\r\n\r\n"


def _deflated(data: bytes, wbits: int) -> bytes:
    compressor = zlib.compressobj(wbits=wbits)
    return compressor.compress(data) + compressor.flush()


def sent(body: bytes, framing: str, encoding: str = "identity", interim: int = 0) -> Sent:
    """`framing`: length, chunked, extended (chunks with extensions) or close.

    `interim`: how many 1xx come before.
    """
    encoded = {
        "identity": lambda: body,
        "gzip": lambda: gzip.compress(body, mtime=0),
        "members": lambda: gzip.compress(body[:7], mtime=0) + gzip.compress(body[7:], mtime=0),
        "deflate": lambda: zlib.compress(body),
        "raw": lambda: _deflated(body, -15),
    }[encoding]()
    named = {"members": "gzip", "raw": "deflate"}.get(encoding, encoding)
    head = [b"HTTP/1.1 200 OK", b"X-Mark: mine", b"Content-Encoding: " + named.encode()]
    if framing == "length":
        head.append(b"content-length: %d" % len(encoded))
    elif framing in ("chunked", "extended"):
        head.append(b"transfer-encoding: chunked")
        encoded = _chunked(encoded, 5, b";ext=1" if framing == "extended" else b"")
    before = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    wire = before * interim + b"\r\n".join(head) + b"\r\n\r\n" + encoded
    return Sent(wire, body, framing == "close")


FRAMINGS = st.sampled_from(["length", "chunked", "extended", "close"])
ENCODINGS = st.sampled_from(["identity", "gzip", "members", "deflate", "raw"])
GOOD = st.builds(sent, st.binary(max_size=300), FRAMINGS, ENCODINGS, st.integers(0, 2))


@given(GOOD, st.lists(st.integers(0, 2_000), max_size=12), st.booleans(), st.booleans())
def test_a_good_reply_reads_the_same_however_it_is_cut(
    reply: Sent,
    places: list[int],
    is_stream: bool,  # noqa: FBT001 - drawn
    pauses: bool,  # noqa: FBT001 - drawn
) -> None:
    end: list[Step] = ["eof"] if reply.ends_at_close else []
    script = cut_at(reply.wire, places) + end
    first, second, network = run(exchange(script, is_stream=is_stream, pauses=pauses))
    assert (first.error, first.status, first.body) == (None, 200, reply.body)
    assert first.headers["x-mark"] == "mine"
    assert_is_next(second)
    assert len(network.lines) == (2 if reply.ends_at_close else 1)


@pytest.mark.case(146)
@pytest.mark.parametrize("framing", ["length", "extended", "close"])
@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
@pytest.mark.parametrize("end", ["eof", "reset"])
def test_an_end_at_any_byte_is_an_error_and_never_a_shorter_answer(
    framing: str, encoding: str, end: Step
) -> None:
    reply = sent(b"a body that is told whole", framing, encoding, interim=1)
    head_length = reply.wire.rindex(b"\r\n\r\n" if framing != "extended" else b"5;ext") + 4
    for place in range(len(reply.wire)):
        first, second, _ = run(exchange([reply.wire[:place], end] if place else [end]))
        assert_is_next(second)
        if framing == "close" and end == "eof" and encoding == "identity" and place >= head_length:
            assert first.is_whole  # as HTTP has it: nothing tells this from the end
        elif first.error is None:
            assert end == "eof" and first.body in (b"", reply.body)  # noqa: PT018 - one fact
        else:
            assert type(first.error) is APIConnectionError
            assert "http://upstream.test" in str(first.error)
        assert reply.body.startswith(first.body)


NASTY = st.one_of(
    st.binary(min_size=1, max_size=4),
    st.sampled_from(
        [
            *(b"\r", b"\n", b"\r\n", b"\x00", b" ", b"\t", b":", b"\r\n\r\n", b"-1", b"ffffffff"),
            *(b"\r\ncontent-length: 3", b"\r\ntransfer-encoding: chunked", b"0\r\n\r\n"),
            *(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"HTTP/1.1 101 X\r\n\r\n"),
            *(b"\r\nconnection: close", b"\r\ncontent-encoding: gzip", b"HTTP/1.1 204 X\r\n\r\n"),
        ]
    ),
)
DAMAGE = st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 4), NASTY), max_size=4)
ENDS: st.SearchStrategy[list[Step]] = st.sampled_from([["eof"], ["reset"], []])
"""By a FIN, by an RST, or by silence."""


def damaged(wire: bytes, damage: list[tuple[int, int, bytes]]) -> bytes:
    for place, taken, put in damage:
        at = place % (len(wire) + 1)
        wire = wire[:at] + put + wire[at + taken :]
    return wire


@pytest.mark.case(146)
@given(GOOD, DAMAGE, st.lists(st.integers(0, 2_000), max_size=4), ENDS, st.booleans())
def test_a_damaged_reply_harms_only_its_own_request(
    reply: Sent,
    damage: list[tuple[int, int, bytes]],
    places: list[int],
    end: list[Step],
    is_stream: bool,  # noqa: FBT001 - drawn
) -> None:
    script = cut_at(damaged(reply.wire, damage), places) + end
    first, second, _ = run(exchange(script, is_stream=is_stream))
    assert first.is_whole == (first.error is None)
    assert first.error is None or isinstance(first.error, APIConnectionError)
    assert_is_next(second)


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=4), ENDS)
def test_noise_is_an_error(noise: bytes, places: list[int], end: list[Step]) -> None:
    first, second, _ = run(exchange(cut_at(noise, places) + end))
    assert isinstance(first.error, APIConnectionError)
    assert_is_next(second)


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_the_reader_never_raises(pieces: list[bytes]) -> None:
    reader = ReplyReader()
    for piece in (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", *pieces):
        reader.feed(piece)
        if reader.failure is not None or reader.is_complete:
            break


BODIES = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.text("0123456789abcdef\r\n", min_size=1, max_size=24).map(str.encode),
)
CHUNKS = st.tuples(BODIES, st.sampled_from([b"%x", b"%x", b"%x", b"%X", b"0%x", b"%x;e=1"]))


@given(
    chunks=st.lists(CHUNKS, max_size=8),
    places=st.lists(st.integers(0, 400), max_size=4),
    damage=st.one_of(st.none(), st.tuples(st.integers(0, 400), st.binary(max_size=2))),
    is_ended=st.booleans(),
)
def test_a_read_that_is_one_chunk_says_what_the_parser_reads(
    chunks: list[tuple[bytes, bytes]],
    places: list[int],
    damage: tuple[int, bytes] | None,
    is_ended: bool,  # noqa: FBT001 - drawn
) -> None:
    frames = [size % len(body) + b"\r\n" + body + b"\r\n" for body, size in chunks]
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    wire = b"".join(frames) + (b"0\r\n\r\n" if is_ended else b"")
    if damage is not None:
        place = damage[0] % (len(wire) + 1)
        wire = wire[:place] + damage[1] + wire[place + 1 :]
    bounds = {0, len(wire), *(place % (len(wire) + 1) for place in places)}
    for frame in frames:
        bounds.add(min(len(wire), max(bounds - {len(wire)}) + len(frame)))
    reads = [head, *(wire[a:b] for a, b in pairwise(sorted(bounds)))]
    parsed, spared = ReplyReader(), ReplyReader()
    for data in reads:
        parsed.feed(data)
        piece = read_single_chunk(data) if spared.is_at_chunk_end else None
        if piece is None:
            spared.feed(data)
        else:
            spared.pieces.append(piece)
        assert b"".join(spared.pieces) == b"".join(parsed.pieces)
        assert (spared.is_complete, spared.failure) == (parsed.is_complete, parsed.failure)
        if parsed.is_complete or parsed.failure is not None:
            break
    assert spared.keeps_alive == parsed.keeps_alive


@pytest.mark.parametrize(
    "data",
    [b"", b"\r\n", b"0\r\n\r\n", b"1\r\n\r\n", b"1\r\nab\r\n", b"+1\r\na\r\n", b"1\r\na\n\r"],
)
def test_what_is_not_one_chunk_is_for_the_parser(data: bytes) -> None:
    assert read_single_chunk(data) is None
    assert read_single_chunk(b"1\r\na\r\n") == b"a"
