"""What a hostile or broken upstream can do to the lean transport: fail its own request, no more."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from itertools import pairwise

import pytest
from tests.support.lean_hostile import NEXT, assert_is_next, cut_at, exchange, request_of
from tests.support.memory_network import Heard, MemoryNetwork, Script, Step, run

from puna.errors import APIConnectionError, APITimeoutError
from puna.transports.lean import LeanTransport, PoolLimits

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
