"""The lean transport in good hands: requests, sinks that raise or cancel. Time is virtual."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping

import pytest
from tests.support.lean_requests import HEAD, HI, cancel, request_of, start
from tests.support.memory_network import Heard, MemoryNetwork, Script, VirtualLoop, run

from puna.errors import APIConnectionError, APIError
from puna.transports.lean import LeanTransport, PoolLimits
from puna.wire.http import HTTPRequest


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
