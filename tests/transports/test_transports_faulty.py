"""Faults that are asked for happen at the wished request, and only there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.support.clock import FakeClock

from puna.errors import APIConnectionError, APITimeoutError
from puna.transports.faults import Faults
from puna.transports.faulty import AsyncFaultyTransport, FaultyTransport
from puna.transports.replay import AsyncReplayTransport, Recorded, ReplayTransport
from puna.wire.http import HTTPReply, HTTPRequest, Timeouts

REQUEST = HTTPRequest("POST", "http://up.test/v1", {}, b"{}")
STREAMED = HTTPRequest("POST", "http://up.test/v1", {}, b"{}", Timeouts(idle_s=1.0), is_stream=True)


class SyncHost:
    def __init__(self, faults: Faults) -> None:
        self.clock = FakeClock()
        self.inner = ReplayTransport(lambda _: Recorded(200, {}, [b"abc", b"def"]))
        self.transport = FaultyTransport(self.inner, faults, self.clock.sleep)
        self.got = b""

    @property
    def asked(self) -> int:
        return len(self.inner.requests)

    def ask(self, request: HTTPRequest = REQUEST) -> HTTPReply:
        self.got = b""
        reply = self.transport.open(request)
        try:
            if not request.is_stream:
                return HTTPReply(reply.status, reply.headers, reply.read())
            for piece in reply.pieces():
                self.got += piece
            reply.finish(1.0)
            return HTTPReply(reply.status, reply.headers, self.got)
        finally:
            reply.close()
            self.transport.close()


class AsyncHost:
    def __init__(self, faults: Faults) -> None:
        self.clock = FakeClock()
        self.inner = AsyncReplayTransport(lambda _: Recorded(200, {}, [b"abc", b"def"]))
        self.transport = AsyncFaultyTransport(self.inner, faults, self.clock.sleep_async)
        self.got = b""

    @property
    def asked(self) -> int:
        return len(self.inner.requests)

    def ask(self, request: HTTPRequest = REQUEST) -> HTTPReply:
        return asyncio.run(self._ask(request))

    async def _ask(self, request: HTTPRequest) -> HTTPReply:
        self.got = b""
        reply = await self.transport.open(request)
        try:
            if not request.is_stream:
                return HTTPReply(reply.status, reply.headers, await reply.read())
            async for piece in reply.pieces():
                self.got += piece
            return HTTPReply(reply.status, reply.headers, self.got)
        finally:
            await reply.close()
            await self.transport.close()


Host = Callable[[Faults], SyncHost | AsyncHost]
BOTH = pytest.mark.parametrize("make", [SyncHost, AsyncHost], ids=["sync", "async"])


@BOTH
def test_the_nth_request_is_answered_429_without_asking_the_host(make: Host) -> None:
    host = make(Faults(rate_limited={2: 1.5}))
    first, second, third = host.ask(), host.ask(), host.ask()
    assert (first.body, third.body) == (b"abcdef", b"abcdef")
    assert (second.status, second.headers["retry-after"]) == (429, "1.5")
    assert host.asked == 2


@BOTH
def test_a_connection_is_refused(make: Host) -> None:
    host = make(Faults(refused={1}))
    with pytest.raises(APIConnectionError, match=r"`http://up\.test`: connection refused"):
        host.ask()
    assert host.asked == 0
    assert host.ask().status == 200


@BOTH
@pytest.mark.parametrize("after", [0, 2, 3, 5])
def test_a_body_is_cut_after_so_many_bytes(make: Host, after: int) -> None:
    host = make(Faults(cut={1: after, 2: after}))
    with pytest.raises(APIConnectionError, match=f"cut after {after} bytes"):
        host.ask(STREAMED)
    assert host.got == b"abcdef"[:after]
    with pytest.raises(APIConnectionError, match=f"cut after {after} bytes"):
        host.ask()


@BOTH
@pytest.mark.parametrize("request_", [REQUEST, STREAMED], ids=["whole", "stream"])
def test_a_body_that_is_no_longer_is_not_cut(make: Host, request_: HTTPRequest) -> None:
    assert make(Faults(cut={1: 6})).ask(request_).body == b"abcdef"


@BOTH
def test_a_slow_body_pauses_before_each_piece(make: Host) -> None:
    host = make(Faults(slow={1: 0.5}))
    assert host.ask(STREAMED).body == b"abcdef"
    assert host.clock.sleeps == [0.5, 0.5]
    host = make(Faults(slow={1: 0.5}))
    host.ask()
    assert host.clock.sleeps == [0.5]


@BOTH
def test_a_pause_ends_with_the_timeout(make: Host) -> None:
    host = make(Faults(slow={1: 5.0}))
    with pytest.raises(APITimeoutError, match="within 1 s; raise `stream_timeout`"):
        host.ask(STREAMED)
    assert host.clock.sleeps == [1.0]
