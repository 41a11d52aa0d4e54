"""A reply of a hostile host to one request, and whether the next request is harmed."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from tests.support.memory_network import Heard, MemoryNetwork, Script, Step

from puna.transports.lean import LeanTransport
from puna.wire.http import HTTPRequest, Timeouts

NEXT = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nthe next one"
TIMEOUTS = Timeouts(connect_s=1.0, idle_s=5.0, total_s=30.0)


def request_of(*, is_stream: bool = False, timeouts: Timeouts = TIMEOUTS) -> HTTPRequest:
    return HTTPRequest("POST", "http://upstream.test/v1/chat", {}, b"{}", timeouts, is_stream)


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
