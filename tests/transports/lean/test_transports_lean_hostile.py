"""What a hostile or broken upstream can do to the lean transport: fail its own request, no more.

No sockets: replies are fed to the connections by a network in memory, with a clock that jumps.
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.memory_network import Heard, MemoryNetwork, Script, Step, run

from puna.errors import APIConnectionError, APITimeoutError
from puna.transports.lean import LeanTransport, PoolLimits
from puna.transports.lean.reading import ReplyReader, read_single_chunk
from puna.transports.lean.whole import read_whole
from puna.wire.http import HTTPRequest, Timeouts

NEXT = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nthe next one"
TIMEOUTS = Timeouts(connect_s=1.0, idle_s=5.0, total_s=30.0)


def request_of(*, is_stream: bool = False, timeouts: Timeouts = TIMEOUTS) -> HTTPRequest:
    return HTTPRequest("POST", "http://upstream.test/v1/chat", {}, b"{}", timeouts, is_stream)


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


def cut_at(wire: bytes, places: list[int]) -> list[Step]:
    """The same bytes in several reads."""
    bounds = sorted({0, len(wire), *(place % (len(wire) + 1) for place in places)})
    return [wire[a:b] for a, b in pairwise(bounds)]


async def exchange(
    script: Script, *, is_stream: bool = False, pauses: bool = False
) -> tuple[Heard, Heard, MemoryNetwork]:
    """A request answered by the script, then one that gets `NEXT`; on the same transport."""
    network = MemoryNetwork([script, (NEXT,), (NEXT,)])
    transport = LeanTransport(dialer=network)
    first, second = Heard(), Heard()
    first.pauses_each_piece = pauses
    first.exchange = transport.start(request_of(is_stream=is_stream), first)
    await first.over
    await asyncio.sleep(0.01)
    transport.start(request_of(), second)
    await second.over
    await transport.close()
    assert transport.open_connections == 0
    assert all(line.is_closed for line in network.lines)
    return first, second, network


def assert_is_next(heard: Heard) -> None:
    assert (heard.error, heard.status, heard.body) == (None, 200, b"the next one")
    assert "x-mark" not in heard.headers


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


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


DUBIOUS = [
    CHUNKED + b"g\r\na\r\n0\r\n\r\n",
    CHUNKED + b"-1\r\na\r\n0\r\n\r\n",
    CHUNKED + b"fffffffffffffffff\r\na\r\n0\r\n\r\n",
    CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
    CHUNKED + b"1\na\n0\n\n",
    CHUNKED + b" 1\r\na\r\n0\r\n\r\n",
    CHUNKED + b"0x1\r\na\r\n0\r\n\r\n",
    CHUNKED + b"1;" + b"e" * 70_000,
    CHUNKED + b"1\r\na\r\n0\r\n" + b"t: x\r\n" * 20_000,
    OK + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    OK + b"transfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n0\r\n\r\n",
    OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
    OK + b"content-length: 1, 1\r\n\r\na",
    OK + b"content-length: +1\r\n\r\na",
    OK + b"content-length: -1\r\n\r\na",
    OK + b"content-length: 0x1\r\n\r\na",
    OK + b"content-length:\r\n\r\na",
    OK + b"content-length: 99999999999999999999999\r\n\r\na",
    OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    OK + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    OK + b"x: a\r\n folded\r\ncontent-length: 0\r\n\r\n",
    OK + b"x : a\r\ncontent-length: 0\r\n\r\n",
    OK + b"x: a\x00\r\ncontent-length: 0\r\n\r\n",
    OK + b"x: a\rb\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/0.9 200 OK\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\ncontent-length: 5\r\n\r\nhello",
    b"HTTP/1.1 99 Low\r\n\r\n",
    b"HTTP/1.1 1000 High\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000,
    OK + b"x: " + b"y" * 70_000,
    OK + b"".join(b"x%d: y\r\n" % i for i in range(257)) + b"content-length: 0\r\n\r\n",
    OK + b"x: " + b"y" * 70_000 + b"\r\ncontent-length: 0\r\n\r\n",
    OK + b"content-encoding: br\r\ncontent-length: 1\r\n\r\na",
    OK + b"content-encoding: gzip, gzip\r\ncontent-length: 1\r\n\r\na",
    OK + b"content-encoding: deflate\r\ncontent-length: 9\r\n\r\n" + zlib.compress(b"") + b"x",
    OK + b"content-encoding: gzip\r\ncontent-length: 20\r\n\r\n" + gzip.compress(b"x" * 99)[:20],
]


@pytest.mark.parametrize("wire", DUBIOUS, ids=range(len(DUBIOUS)))
def test_a_reply_that_could_be_read_in_two_ways_is_refused(wire: bytes) -> None:
    for reads in ([], list(range(0, 400, 7))):
        first, second, network = run(exchange([*cut_at(wire, reads), "eof"]))
        assert type(first.error) is APIConnectionError
        assert_is_next(second)
        assert len(network.lines) == 2


@pytest.mark.parametrize(
    ("extra", "is_same_read"),
    [(NEXT.replace(b"next", b"evil"), True), (NEXT.replace(b"next", b"evil"), False), (b"x", True)],
)
def test_bytes_after_a_reply_end_its_connection(extra: bytes, is_same_read: bool) -> None:  # noqa: FBT001 - a parametrised case
    whole = OK + b"content-length: 2\r\n\r\nhi"
    script: Script = [whole + extra] if is_same_read else [whole, extra]
    first, second, network = run(exchange(script))
    assert (first.error, first.body) == (None, b"hi")
    assert_is_next(second)
    assert len(network.lines) == 2


def test_a_request_made_at_the_end_of_a_reply_does_not_get_the_bytes_after_it() -> None:
    async def chain() -> None:
        evil = OK + b"content-length: 4\r\n\r\nevil"
        network = MemoryNetwork([OK + b"content-length: 2\r\n\r\nhi" + evil, NEXT])
        transport = LeanTransport(dialer=network)
        second = Heard()

        class Chained(Heard):
            def on_end(self) -> None:
                super().on_end()
                transport.start(request_of(), second)

        transport.start(request_of(), Chained())
        await second.over
        assert_is_next(second)
        await transport.close()

    run(chain())


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize(
    "headers", [b"", b"content-length: 5\r\n", b"transfer-encoding: chunked\r\n"]
)
def test_a_status_without_a_body_has_none(status: int, headers: bytes) -> None:
    wire = b"HTTP/1.1 %d None\r\n%b\r\n" % (status, headers)
    first, second, network = run(exchange([wire]))
    assert (first.error, first.status, first.body) == (None, status, b"")
    assert_is_next(second)
    assert len(network.lines) == (1 if not headers else 2)


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 200 OK\r\nconnection: close\r\n"],
)
def test_a_host_that_does_not_keep_connections_gets_new_ones(head: bytes) -> None:
    first, second, network = run(exchange([head + b"content-length: 2\r\n\r\nhi"]))
    assert first.body == b"hi"
    assert_is_next(second)
    assert len(network.lines) == 2


def test_a_small_body_that_opens_to_a_giant_comes_in_pieces_and_can_be_paused() -> None:
    bomb = gzip.compress(b"\x00" * 5_000_000)
    wire = OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb) + bomb
    for pauses in (False, True):
        first, second, _ = run(exchange([wire], pauses=pauses))
        assert (first.error, len(first.body)) == (None, 5_000_000)
        assert max(map(len, first.pieces)) <= 65_536
        assert_is_next(second)


class Turned(Heard):
    """Notes how much it has heard at each turn of the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = [0]
        self._waits = False

    def on_piece(self, data: bytes) -> None:
        super().on_piece(data)
        if not self._waits:
            self._waits = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._waits = False
        self.turns.append(sum(map(len, self.pieces)))


@pytest.mark.parametrize("framing", [b"content-length: %d\r\n", b""])
def test_others_have_their_turns_while_a_small_body_opens_to_a_giant(framing: bytes) -> None:
    bomb = gzip.compress(b"\x00" * 7_000_000)
    head = OK + b"content-encoding: gzip\r\n" + (framing % len(bomb) if framing else b"")

    async def ask() -> Turned:
        transport = LeanTransport(dialer=MemoryNetwork([[head + b"\r\n" + bomb, "eof"]]))
        heard = Turned()
        heard.exchange = transport.start(request_of(), heard)
        await heard.over
        await transport.close()
        return heard

    heard = run(ask())
    assert (heard.error, len(heard.body)) == (None, 7_000_000)
    assert max(after - before for before, after in pairwise(heard.turns)) <= 2 * 1_048_576


def test_a_whole_answer_that_opens_to_over_a_hundred_times_its_size_is_refused() -> None:
    def played(data: bytes) -> bytes:
        bomb = gzip.compress(data)
        length = b"content-length: %d\r\n\r\n" % len(bomb)
        return OK + b"content-encoding: gzip\r\n" + length + bomb

    first, second, _ = run(exchange([played(b"\x00" * 20_000_000)]))
    assert "over 100 times its size" in str(first.error)
    assert_is_next(second)
    text = b"".join(b"%d," % (number**2 * 2_654_435_761 % 2**32) for number in range(900_000))
    first, second, _ = run(exchange([played(text)]))
    assert (first.error, len(first.body)) == (None, len(text))


def test_a_bomb_that_is_paused_when_its_host_leaves_is_still_read_to_its_end() -> None:
    bomb = gzip.compress(b"\x00" * 1_000_000)
    for framing in (b"content-length: %d\r\n" % len(bomb), b""):
        wire = OK + b"content-encoding: gzip\r\n" + framing + b"\r\n" + bomb
        first, second, _ = run(exchange([wire, "eof"], pauses=True))
        assert (first.error, len(first.body)) == (None, 1_000_000)
        assert_is_next(second)


def test_a_reply_without_end_is_an_error_and_a_stream_may_be_long() -> None:
    async def ask(wire: bytes, *, is_stream: bool) -> Heard:
        transport = LeanTransport(
            dialer=MemoryNetwork([wire]), limits=PoolLimits(body_bytes=100_000)
        )
        heard = Heard()
        heard.exchange = transport.start(request_of(is_stream=is_stream), heard)
        await heard.over
        await transport.close()
        return heard

    bomb = gzip.compress(b"\x00" * 5_000_000)
    head = b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb)
    plain = b"content-length: 100001\r\n\r\n" + b"x" * 100_001
    failed = b"HTTP/1.1 500 No\r\n"
    for start, rest, is_stream in (
        (OK, head + bomb, False),
        (failed, plain, True),
        (failed, head + bomb, True),
        (OK, b"Content-Type: application/json; x=y\r\n" + head + bomb, True),  # no events
    ):
        heard = run(ask(start + rest, is_stream=is_stream))
        assert isinstance(heard.error, APIConnectionError)
        assert "longer than 100000 bytes" in str(heard.error)
        assert len(heard.body) <= 100_000
    events = b"content-type: text/event-stream\r\n"
    for wire in (OK + head + bomb, OK + events + plain):
        heard = run(ask(wire, is_stream=True))
        assert heard.error is None


def test_a_slow_drip_ends_with_the_total_time_and_a_stream_with_its_pauses() -> None:
    head = OK + b"content-length: 1000\r\n\r\n"
    step: list[Step] = [b"a", 1.0]
    drip: list[Step] = [head, *step * 100]
    first, second, _ = run(exchange(drip))
    assert isinstance(first.error, APITimeoutError)
    assert "within 30 s; raise `timeout`" in str(first.error)
    assert len(first.body) == 30
    assert_is_next(second)

    first, _, _ = run(exchange([*drip[:101], 6.0, b"late"], is_stream=True))
    assert "within 5 s; raise `stream_timeout`" in str(first.error)
    assert len(first.body) == 50

    first, _, _ = run(exchange([1.0, b"HTTP/1.1 100 Continue\r\n\r\n"] * 50, is_stream=True))
    assert "within 30 s; raise `timeout`" in str(first.error)


_LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *(b"content-length: 2", b"Content-Length:3", b"content-length: 02"),
                *(b"content-length : 2", b"content-length: 2, 2", b"content-length:"),
                *(b"transfer-encoding: chunked", b"connection: keep-alive", b"connection: close"),
                *(b"content-encoding: gzip", b"content-encoding: identity", b"upgrade: h2c"),
                *(b"x: \r", b"x: \n", b" folded: y", b"x\ty: z", b": nameless", b"x", b"x: \xff"),
                *(b"x-a: 1", b"x-a: 2 ", b"X-A:\t3", b"date: Wed, 25 Nov 2026 10:00:00 GMT"),
            ]
        ),
        st.binary(max_size=12),
    ),
    max_size=6,
)


@given(
    start=st.sampled_from(
        [
            b"HTTP/1.1 200 OK",
            b"HTTP/1.1 200 ",
            b"HTTP/1.1 200",
            b"HTTP/1.0 200 OK",
            b"HTTP/1.1 204 ",
        ]
    ),
    lines=_LINES,
    body=st.sampled_from([b"", b"hi", b"hi!", b"0\r\n\r\n", b"hiHTTP/1.1 200 OK\r\n\r\n"]),
)
def test_what_is_taken_at_once_the_parser_reads_the_same(
    start: bytes, lines: list[bytes], body: bytes
) -> None:
    wire = b"\r\n".join([start, *lines, b"", body])
    taken = read_whole(wire)
    if taken is None:
        return
    reader = ReplyReader()
    reader.feed(wire)
    assert (reader.failure, reader.is_complete, reader.keeps_alive) == (None, True, True)
    assert (reader.status, reader.headers) == (taken.status, dict(taken.headers))
    assert b"".join(reader.pieces) == taken.body


# --- a read that is one HTTP chunk is handed on without the parser


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
