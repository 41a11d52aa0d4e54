"""The lean transport in good hands: its pool, its limits, its callbacks. Time is virtual."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable, Mapping
from functools import partial

import pytest
from tests.support.memory_network import Heard, MemoryNetwork, Script, Step, VirtualLoop, run

from puna.errors import APIConnectionError, APIError, APITimeoutError
from puna.transports.lean import Exchange, LeanTransport, PoolLimits
from puna.transports.lean.connection import Connection
from puna.transports.lean.head import Origin
from puna.wire.http import HTTPRequest, Timeouts

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
HI = HEAD + b"hi"
TIMEOUTS = Timeouts(connect_s=2.0, idle_s=5.0, total_s=30.0)


def request_of(
    *,
    url: str = "http://upstream.test/v1/chat",
    is_stream: bool = False,
    timeouts: Timeouts = TIMEOUTS,
    body: bytes = b"{}",
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
) -> HTTPRequest:
    return HTTPRequest(method, url, headers or {}, body, timeouts, is_stream)


def start(transport: LeanTransport, request: HTTPRequest | None = None) -> Heard:
    heard = Heard()
    heard.exchange = transport.start(request or request_of(), heard)
    return heard


def cancel(heard: Heard) -> None:
    assert heard.exchange is not None
    heard.exchange.cancel()


def test_a_request_is_written_at_once_with_our_framing() -> None:
    async def main() -> None:
        network = MemoryNetwork([HI, HI, HI])
        transport = LeanTransport(dialer=network)
        headers = {"authorization": "Bearer k", "Host": "upstream.test", "content-length": "2"}
        await start(transport, request_of(headers=headers)).over
        assert network.requests[0].startswith(b"POST /v1/chat HTTP/1.1\r\nhost: upstream.test\r\n")
        assert network.requests[0].endswith(
            b"\r\nauthorization: Bearer k\r\ncontent-length: 2\r\n\r\n{}"
        )
        url = "http://me:p%40ss@[::1]:8080/ä?b=ü"
        await start(transport, request_of(url=url, method="GET", body=b"")).over
        first, host, *_, credentials = network.requests[1].split(b"\r\n\r\n")[0].split(b"\r\n")
        assert first == b"GET /%C3%A4?b=%C3%BC HTTP/1.1"
        assert host == b"host: [::1]:8080"
        assert credentials == b"authorization: Basic bWU6cEBzcw=="
        large = request_of(body=b"x" * 100_000, url="http://upstream.test?q=1")
        await start(transport, large).over
        assert network.requests[2].startswith(b"POST /?q=1 HTTP/1.1\r\n")
        assert network.requests[2].endswith(b"content-length: 100000\r\n\r\n" + large.body)
        await transport.close()

    run(main())


@pytest.mark.parametrize(
    "request_",
    [
        request_of(method="GET /evil HTTP/1.1\r\nx:"),
        request_of(method=""),
        request_of(method="CONNECT"),
        request_of(url="http://upstream.test/a b"),
        request_of(url="http://upstream.test/a\r\nx: y"),
        request_of(url="http://upstream.test/\x00"),
        request_of(url="http://[bad"),
        request_of(url="http://up stream"),
        request_of(url="http://up<stream/"),
        request_of(url="http://upstream.test:99999/"),
        request_of(url="http:///path"),
        request_of(url="ftp://upstream.test/"),
        request_of(url="upstream.test"),
        request_of(headers={"x y": "a"}),
        request_of(headers={"": "a"}),
        request_of(headers={"x": "a\r\ny: b"}),
        request_of(headers={"x": "sk-canary\x00"}),
        request_of(headers={"x": "sk-canary ☃"}),
        request_of(headers={"x": "a", "X": "b"}),
        request_of(headers={"content-length": "3"}),
        request_of(headers={"transfer-encoding": "chunked"}),
        request_of(headers={"host": "elsewhere.test"}),
        request_of(headers={"connection": "close"}),
        request_of(headers={"upgrade": "h2c"}),
    ],
    ids=range(24),
)
def test_what_could_be_read_as_two_requests_is_not_sent(request_: HTTPRequest) -> None:
    async def main() -> None:
        network = MemoryNetwork()
        transport = LeanTransport(dialer=network)
        heard = start(transport, request_)
        assert not heard.over.done()  # not before `start` returned
        await heard.over
        assert type(heard.error) is APIConnectionError
        assert "canary" not in str(heard.error)
        cancelled = start(transport, request_)
        cancel(cancelled)
        await asyncio.sleep(0.1)
        assert not cancelled.over.done()
        assert network.requests == []
        await transport.close()

    run(main())


def test_the_connection_used_last_serves_next_and_unused_ones_are_closed_in_time() -> None:
    async def main() -> None:
        network = MemoryNetwork([HI] * 10)
        transport = LeanTransport(dialer=network)
        await asyncio.gather(*(start(transport).over for _ in range(3)))
        assert transport.open_connections == 3
        await asyncio.sleep(20)
        last = network.lines[2]
        await start(transport).over
        assert last.written.count(b"POST") == 2
        await asyncio.sleep(16)
        assert transport.open_connections == 1
        await asyncio.sleep(30)
        assert transport.open_connections == 0
        await transport.close()

    run(main())


def test_only_so_many_unused_connections_are_kept() -> None:
    async def main() -> None:
        network = MemoryNetwork([[1.0, HI]] * 5)
        transport = LeanTransport(dialer=network, limits=PoolLimits(unused=2))
        await asyncio.gather(*(start(transport).over for _ in range(5)))
        await asyncio.sleep(0)
        assert transport.open_connections == 2
        await transport.close()

    run(main())


def test_no_connection_grows_older_than_its_age() -> None:
    async def main() -> None:
        network = MemoryNetwork([HI] * 40)
        transport = LeanTransport(dialer=network, limits=PoolLimits(age_s=100))
        for _ in range(30):
            await start(transport).over
            await asyncio.sleep(9)
        assert len(network.lines) == 3
        network.add(*[(80.0, HI)] * 2)
        await transport.close()

    run(main())


def test_an_old_connection_is_closed_after_a_long_reply() -> None:
    async def main() -> None:
        network = MemoryNetwork([[20.0, HI]])
        transport = LeanTransport(dialer=network, limits=PoolLimits(age_s=10))
        await start(transport).over
        await asyncio.sleep(0.1)
        assert transport.open_connections == 0
        await transport.close()

    run(main())


def test_a_full_pool_serves_in_the_order_of_asking() -> None:
    async def main() -> None:
        network = MemoryNetwork([[1.0, HI]] * 6)
        transport = LeanTransport(dialer=network, limits=PoolLimits(connections=2))
        timeouts = Timeouts(connect_s=None, total_s=None)
        order: list[int] = []
        asked = [start(transport, request_of(timeouts=timeouts)) for _ in range(6)]
        for number, heard in enumerate(asked):
            heard.over.add_done_callback(partial(_note, order, number))
        cancel(asked[3])
        await asyncio.gather(*(heard.over for heard in asked if heard is not asked[3]))
        assert order == [0, 1, 2, 4, 5]
        assert len(network.lines) == 2
        await transport.close()

    run(main())


def test_who_waits_in_vain_is_told_and_leaves_the_queue() -> None:
    async def main() -> None:
        network = MemoryNetwork([[10.0, HI], HI])
        transport = LeanTransport(dialer=network, limits=PoolLimits(connections=1))
        first, second = start(transport), start(transport)
        await second.over
        assert isinstance(second.error, APITimeoutError)
        assert "No connection to `http://upstream.test` within 2 s" in str(second.error)
        assert second.error.is_retryable
        await first.over
        await start(transport).over
        assert len(network.requests) == 2
        await transport.close()

    run(main())


def test_a_lost_connection_makes_room_for_who_waits() -> None:
    async def main() -> None:
        network = MemoryNetwork([[1.0, "reset"], HI, HI])
        transport = LeanTransport(dialer=network, limits=PoolLimits(connections=1))
        first, second, third = (start(transport) for _ in range(3))
        await third.over
        assert first.error is not None
        assert (second.body, third.body) == (b"hi", b"hi")
        await transport.close()

    run(main())


def test_a_connection_that_does_not_come_ends_in_time_and_can_be_cancelled() -> None:
    async def main() -> None:
        network = MemoryNetwork()
        network.dial_s = None
        transport = LeanTransport(dialer=network)
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        heard = start(transport, request_of(timeouts=Timeouts(connect_s=9, total_s=4)))
        left = start(transport)
        cancel(left)
        cancel(left)
        await heard.over
        assert loop.time() - began_at == pytest.approx(4, abs=0.01)
        assert isinstance(heard.error, APITimeoutError)
        assert not heard.error.is_retryable
        assert not left.over.done()
        waiting = start(transport)
        await transport.close()
        assert "the transport was closed" in str(waiting.error)

    run(main())


@pytest.mark.parametrize(
    "refusal",
    [ConnectionRefusedError(111, "Connect call failed"), UnicodeError("label"), KeyError("bug")],
)
def test_a_refused_connection_is_told_and_the_next_request_dials_anew(refusal: Exception) -> None:
    async def main() -> None:
        network = MemoryNetwork([HI])
        network.refuses = refusal
        transport = LeanTransport(dialer=network, limits=PoolLimits(connections=1))
        heard = start(transport)
        await heard.over
        assert type(heard.error) is APIConnectionError
        assert heard.error.__cause__ is refusal
        network.refuses = None
        again = start(transport)
        await again.over
        assert again.body == b"hi"
        await transport.close()

    run(main())


@pytest.mark.parametrize("end", ["eof", "reset"])
def test_a_kept_connection_that_was_closed_is_replaced_once_in_silence(end: Step) -> None:
    async def main() -> None:
        network = MemoryNetwork([HI, [end], HI, [end], [end]])
        transport = LeanTransport(dialer=network)
        await start(transport).over
        again = start(transport)
        await again.over
        assert (again.error, again.body) == (None, b"hi")
        assert len(network.lines) == 2
        failed = start(transport)
        await failed.over
        assert type(failed.error) is APIConnectionError
        assert len(network.lines) == 3
        await transport.close()

    run(main())


def test_who_is_tried_again_keeps_the_place_that_others_wait_for() -> None:
    async def main() -> None:
        network = MemoryNetwork([HI, ["reset"], HI, HI])
        open_at_dials: list[int] = []

        async def dial(origin: Origin, make: Callable[[], Connection]) -> None:
            open_at_dials.append(sum(not line.is_closing() for line in network.lines))
            await network(origin, make)

        transport = LeanTransport(dialer=dial, limits=PoolLimits(connections=1))
        await start(transport).over
        second, third = start(transport), start(transport)
        await third.over
        assert (second.body, third.body) == (b"hi", b"hi")
        assert open_at_dials == [0, 0]
        await transport.close()

    run(main())


def test_nothing_is_sent_twice_after_a_byte_of_the_reply() -> None:
    async def main() -> None:
        network = MemoryNetwork([HI, [b"H", "reset"], HI])
        transport = LeanTransport(dialer=network)
        await start(transport).over
        failed = start(transport)
        await failed.over
        assert "in the middle of its reply" in str(failed.error)
        assert len(network.requests) == 2
        await transport.close()

    run(main())


def test_a_retried_request_can_be_cancelled_and_keeps_its_time_limit() -> None:
    async def main() -> None:
        network = MemoryNetwork([HI, ["eof"], (), HI, ["eof"]])
        transport = LeanTransport(dialer=network)
        await start(transport).over
        slow = start(transport)
        await slow.over
        assert isinstance(slow.error, APITimeoutError)
        await start(transport).over
        network.dial_s = None
        left = start(transport)
        await asyncio.sleep(0.1)
        cancel(left)
        await transport.close()

    run(main())


def test_an_early_answer_is_delivered_and_its_connection_closed() -> None:
    async def main() -> None:
        network = MemoryNetwork([HI, HI])
        transport = LeanTransport(dialer=network)
        heard = start(transport, request_of(body=b"x" * 1_000_000))
        network.pending = 500_000
        await heard.over
        assert heard.body == b"hi"
        network.pending = 0
        await start(transport).over
        assert len(network.lines) == 2
        await transport.close()

    run(main())


def test_a_paused_reader_stops_the_host_and_its_pause_is_not_the_hosts() -> None:
    async def main() -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"
        network = MemoryNetwork([[head, b"ab", 1.0, b"cd"], HI])
        transport = LeanTransport(dialer=network)
        heard = Heard()
        exchange = heard.exchange = transport.start(request_of(is_stream=True), heard)
        await asyncio.sleep(0.5)
        exchange.pause()
        exchange.pause()
        await asyncio.sleep(60)
        assert heard.body == b"ab"
        exchange.resume()
        exchange.resume()
        await heard.over
        assert heard.body == b"abcd"
        exchange.pause()
        exchange.resume()
        await start(transport).over
        assert len(network.lines) == 1
        await transport.close()

    run(main())


def test_a_request_paused_from_the_start_is_limited_all_the_same() -> None:
    async def main() -> None:
        transport = LeanTransport(dialer=MemoryNetwork([HI]))
        heard = start(transport)
        assert heard.exchange is not None
        heard.exchange.pause()
        await heard.over
        assert isinstance(heard.error, APITimeoutError)
        await transport.close()

    run(main())


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
COMES: dict[str, Script] = {
    "at once": [HI],
    "in two": [HEAD, HI[-2:]],
    "as a stream": [STREAM_HEAD, b"1\r\nh\r\n", b"1\r\ni\r\n", b"0\r\n\r\n"],
}


@pytest.mark.parametrize("comes", COMES)
@pytest.mark.parametrize("where", ["on_head", "on_piece", "on_end", "on_error"])
def test_a_sink_that_raises_loses_its_own_request_only(
    where: str, comes: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Heard):
        def on_head(self, status: int, headers: Mapping[str, str]) -> None:
            super().on_head(status, headers)
            self._break("on_head")

        def on_piece(self, data: bytes) -> None:
            super().on_piece(data)
            # The second of a stream has a way of its own: `Connection._pass_on`.
            if len(self.pieces) == 2 or comes != "as a stream":
                self._break("on_piece")

        def on_end(self) -> None:
            super().on_end()
            self._break("on_end")

        def on_error(self, error: APIError) -> None:
            super().on_error(error)
            self._break("on_error")

        def _break(self, what: str) -> None:
            if what == where:
                raise RuntimeError("a bug of the sink")

    async def main() -> None:
        whole = COMES[comes]
        first: Script = [*whole[:-1], "reset"] if where == "on_error" else whole
        network = MemoryNetwork([first, HI])
        transport = LeanTransport(dialer=network)
        heard = Broken()
        transport.start(request_of(is_stream=comes == "as a stream"), heard)
        await heard.over
        assert heard.is_whole == (where == "on_end")
        told, is_early = str(heard.error), where in ("on_head", "on_piece")
        assert "the reader of the reply failed" in told or not is_early
        assert "a bug" not in told
        is_cut = where == "on_error" or (is_early and comes != "at once")
        assert network.lines[0].is_closed == is_cut
        again = start(transport)
        await again.over
        assert again.body == b"hi"
        await transport.close()

    with caplog.at_level(logging.ERROR, "puna.transports"):
        run(main())
    assert "A reader of replies failed" in caplog.text
    assert "a bug of the sink" in caplog.text


@pytest.mark.parametrize("where", ["on_head", "on_piece"])
def test_a_sink_may_cancel_in_a_callback(where: str) -> None:
    class Leaving(Heard):
        def on_head(self, status: int, headers: Mapping[str, str]) -> None:
            super().on_head(status, headers)
            if where == "on_head":
                cancel(self)

        def on_piece(self, data: bytes) -> None:
            super().on_piece(data)
            assert where == "on_piece"
            cancel(self)

    async def main() -> None:
        network = MemoryNetwork([[HI[:-1], HI[-1:]], HI])
        transport = LeanTransport(dialer=network)
        heard = Leaving()
        heard.exchange = transport.start(request_of(), heard)
        await asyncio.sleep(1)
        assert not heard.over.done()
        await start(transport).over
        assert len(network.lines) == 2
        await transport.close()

    run(main())


@pytest.mark.parametrize(
    ("method", "wire"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n"),
    ],
)
def test_the_reply_to_a_head_request_has_no_body(method: str, wire: bytes) -> None:
    async def main() -> None:
        transport = LeanTransport(dialer=MemoryNetwork([wire]))
        heard = start(transport, request_of(method=method, body=b""))
        await heard.over
        assert (heard.error, heard.body) == (None, b"")
        await transport.close()

    run(main())


@pytest.mark.case(57)
def test_two_hundred_exchanges_with_random_cancels_leave_nothing() -> None:
    async def main() -> None:
        dice = random.Random(7)  # noqa: S311 - a fixed order
        slow: Script = [0.5, HEAD, 0.5, b"h", 0.5, b"i"]
        network = MemoryNetwork([slow] * 400)
        network.dial_s = 0.3
        transport = LeanTransport(dialer=network, limits=PoolLimits(connections=40))
        loop = asyncio.get_running_loop()
        heards = [start(transport, request_of(is_stream=i % 2 == 0)) for i in range(200)]
        for heard in heards:
            if dice.random() < 0.5:
                loop.call_later(dice.random() * 1.9, cancel, heard)
        await asyncio.sleep(2)
        assert transport.open_connections <= 40
        await transport.close()
        assert transport.open_connections == 0
        assert all(line.is_closed for line in network.lines)
        late = start(transport)
        await late.over
        assert "the transport was closed" in str(late.error)

    run(main())


# --- open(): futures over the callbacks


def test_open_gives_the_head_first_then_the_body_whole_or_in_pieces() -> None:
    async def main() -> None:
        transport = LeanTransport(dialer=MemoryNetwork([[HEAD, b"h", b"i"]] * 3))
        reply = await transport.open(request_of())
        assert reply.status == 200
        assert await reply.read() == b"hi"
        await reply.close()
        reply = await transport.open(request_of(is_stream=True))
        assert [piece async for piece in reply.pieces()] == [b"h", b"i"]
        await reply.close()
        assert await (await transport.open(request_of(is_stream=True))).read() == b"hi"
        assert transport.open_connections == 1
        await transport.close()

    run(main())


def test_a_reply_that_nobody_reads_is_held_back() -> None:
    async def main() -> None:
        piece = b"x" * 100_000
        head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"
        network = MemoryNetwork([[head, *[piece] * 10]] * 2)
        transport = LeanTransport(dialer=network)
        for is_stream in (False, True):
            reply = await transport.open(request_of(is_stream=is_stream))
            await asyncio.sleep(1)
            assert not network.lines[0].reads
            if is_stream:
                assert sum([len(piece) async for piece in reply.pieces()]) == 1_000_000
            else:
                assert len(await reply.read()) == 1_000_000
            await reply.close()
        assert len(network.lines) == 1
        await transport.close()

    run(main())


def test_errors_reach_whoever_waits() -> None:
    async def main() -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"
        network = MemoryNetwork([["reset"], [head, b"ab", "reset"], [head, 1.0, b"ab", "reset"]])
        transport = LeanTransport(dialer=network)
        with pytest.raises(APIConnectionError):
            await transport.open(request_of())
        reply = await transport.open(request_of())
        with pytest.raises(APIConnectionError, match="in the middle"):
            await reply.read()
        reply = await transport.open(request_of(is_stream=True))
        pieces = reply.pieces()
        assert await anext(pieces) == b"ab"
        with pytest.raises(APIConnectionError, match="in the middle"):
            await anext(pieces)
        await transport.close()

    run(main())


def test_a_stream_that_is_read_whole_has_the_total_time() -> None:
    async def main() -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n"
        step: Script = [b"a", 1.0]
        network = MemoryNetwork([[head, *(step[i % 2] for i in range(100))]])
        transport = LeanTransport(dialer=network)
        reply = await transport.open(request_of(is_stream=True))
        with pytest.raises(APITimeoutError, match="stream_timeout"):
            await reply.read()
        await reply.close()
        await asyncio.sleep(0.1)
        assert transport.open_connections == 0
        await transport.close()

    run(main())


def test_who_leaves_while_waiting_cuts_the_connection() -> None:
    async def main() -> None:
        transport = LeanTransport(dialer=MemoryNetwork([(), [HEAD]]))
        for act in ("open", "read"):
            task = asyncio.create_task(_open_and_read(transport))
            await asyncio.sleep(1)
            assert transport.open_connections == 1, act
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0.1)
            assert transport.open_connections == 0
        await transport.close()

    run(main())


def _note(order: list[int], number: int, _: object) -> None:
    order.append(number)


async def _open_and_read(transport: LeanTransport) -> bytes:
    reply = await transport.open(request_of())
    try:
        return await reply.read()
    finally:
        await reply.close()


def test_a_loop_with_nothing_left_to_do_is_told_from_one_that_waits() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    loop = VirtualLoop()
    task = loop.create_task(hang())
    with pytest.raises(AssertionError, match="it hangs"):
        loop.run_until_complete(task)
    loop.clock.is_patient = True
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()


def test_a_connection_lost_before_anybody_could_use_it_is_an_error() -> None:
    async def main() -> None:
        async def dialer(*_: object) -> None:
            await asyncio.sleep(0.1)

        transport = LeanTransport(dialer=dialer)
        heard = start(transport)
        await heard.over
        assert "closed the connection at once" in str(heard.error)
        await transport.close()

    run(main())


def test_no_limit_arms_no_timer() -> None:
    async def main() -> None:
        transport = LeanTransport(dialer=MemoryNetwork([[60.0, HI]]))
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        heard = start(transport, request_of(timeouts=Timeouts(None, None, None)))
        assert loop.armed_timers == 1  # the sweep
        await heard.over
        assert heard.body == b"hi"
        assert isinstance(heard.exchange, Exchange)
        assert heard.exchange.deadline == math.inf
        await transport.close()

    run(main())


def test_a_connection_has_one_timer_for_all_its_requests() -> None:
    async def main() -> None:
        transport = LeanTransport(dialer=MemoryNetwork([HI] * 50))
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        for _ in range(50):
            await start(transport).over
        assert loop.armed_timers == 2  # the connection's and the sweep
        await asyncio.sleep(40)
        assert loop.armed_timers == 0
        await transport.close()

    run(main())
