"""One transport for each event loop, closed with its loop."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvloop
from tests.support.certificates import Certificate
from tests.support.upstream import Upstream

from puna.errors import APIConnectionError
from puna.transports.lean import LeanTransport
from puna.transports.per_loop import PerLoopTransport
from puna.transports.proxy_aware import ProxyAwareTransport
from puna.transports.replay import AsyncReplayTransport, Recorded
from puna.transports.tls import TLSConfig
from puna.wire.http import HTTPRequest

REQUEST = HTTPRequest("POST", "http://replay.test", {})


class Counted(AsyncReplayTransport):
    """Counts how often it was closed."""

    def __init__(self) -> None:
        super().__init__(lambda _: Recorded())
        self.closes = 0
        self.abandons = 0

    async def close(self) -> None:
        self.closes += 1

    def abandon(self) -> None:
        self.abandons += 1


@pytest.mark.case(11)
def test_each_loop_has_its_transport_and_it_is_closed_with_the_loop() -> None:
    made: list[Counted] = []

    def make() -> Counted:
        made.append(Counted())
        return made[-1]

    transport = PerLoopTransport(make)

    async def send_twice() -> None:
        for _ in range(2):
            reply = await transport.open(REQUEST)
            await reply.close()

    asyncio.run(send_twice())
    asyncio.run(send_twice())
    assert [(len(t.requests), t.closes) for t in made] == [(2, 1), (2, 1)]


@pytest.mark.case(11)
def test_closing_by_hand_closes_once_and_the_next_request_begins_anew() -> None:
    made: list[Counted] = []

    def make() -> Counted:
        made.append(Counted())
        return made[-1]

    transport = PerLoopTransport(make)

    async def run() -> None:
        await transport.close()
        await transport.open(REQUEST)
        await transport.close()
        await transport.close()
        await transport.open(REQUEST)

    asyncio.run(run())
    assert [t.closes for t in made] == [1, 1]


@contextmanager
def _loop(make: Callable[[], asyncio.AbstractEventLoop]) -> Generator[asyncio.AbstractEventLoop]:
    """A loop that is closed by hand, as workers of task queues do: its generators stay open."""
    loop = make()
    try:
        yield loop
    finally:
        loop.close()


def test_a_transport_is_abandoned_once_when_its_loop_is_closed() -> None:
    made: list[Counted] = []

    def make() -> Counted:
        made.append(Counted())
        return made[-1]

    transport = PerLoopTransport(make)
    with _loop(asyncio.new_event_loop) as first:
        first.run_until_complete(transport.open(REQUEST))
    for _ in range(2):
        with _loop(asyncio.new_event_loop) as other:
            other.run_until_complete(transport.open(REQUEST))
    assert [(one.closes, one.abandons) for one in made] == [(0, 1), (0, 1), (0, 0)]


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize(
    "make_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
@pytest.mark.parametrize("is_secure", [False, True], ids=["http", "https"])
def test_three_hundred_closed_loops_leave_no_socket_and_no_memory(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
    upstream: Upstream,
    secure_upstream: Upstream,
    certificate: Certificate,
    *,
    is_secure: bool,
) -> None:
    host = secure_upstream if is_secure else upstream
    transport = PerLoopTransport(
        lambda: ProxyAwareTransport(TLSConfig(ca_file=str(certificate.cert)))
    )
    request = HTTPRequest("POST", host.url + "/chat/completions", {}, b"{}")

    async def send() -> None:
        reply = await transport.open(request)
        await reply.read()
        await reply.close()

    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []
    before = 0
    for turn in range(40 if is_secure else 300):
        with _loop(make_loop) as loop:
            loop.run_until_complete(send())
        loops.append(weakref.ref(loop))
        del loop
        if turn == 0:
            before = _open_files()
    asyncio.run(send())  # lets go of the last one, and closes its own
    gc.collect()
    assert all(loop() is None for loop in loops)
    assert host.sees(lambda: host.open_connections == 0)
    assert _open_files() <= before


def test_a_transport_that_was_abandoned_sends_nothing() -> None:
    transport = LeanTransport()
    transport.abandon()
    request = HTTPRequest("POST", "http://127.0.0.1:9", {}, b"{}")
    with pytest.raises(APIConnectionError, match="closed"):
        asyncio.run(_open(transport, request))


async def _open(transport: LeanTransport, request: HTTPRequest) -> None:
    await transport.open(request)


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
