"""One transport for each event loop, closed with its loop."""

from __future__ import annotations

import asyncio

import pytest

from puna.transports.per_loop import PerLoopTransport
from puna.transports.replay import AsyncReplayTransport, Recorded
from puna.wire.http import HTTPRequest

REQUEST = HTTPRequest("POST", "http://replay.test", {})


class Counted(AsyncReplayTransport):
    """Counts how often it was closed."""

    def __init__(self) -> None:
        super().__init__(lambda _: Recorded())
        self.closes = 0

    async def close(self) -> None:
        self.closes += 1


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
