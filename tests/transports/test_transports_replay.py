"""Replies that are played back."""

from __future__ import annotations

import pytest

from puna.errors import APIConnectionError, StreamInterruptedError
from puna.transports.replay import AsyncReplayTransport, Recorded, ReplayTransport, in_order
from puna.wire.http import HTTPRequest

REQUEST = HTTPRequest("POST", "http://replay.test/x", {"authorization": "Bearer sk-canary"})


def test_replies_are_played_in_order_and_no_more() -> None:
    transport = ReplayTransport(in_order(Recorded(200, pieces=[b"a", b"b"]), Recorded(404)))
    first = transport.open(REQUEST)
    assert (first.status, first.read()) == (200, b"ab")
    assert transport.open(REQUEST).status == 404
    with pytest.raises(APIConnectionError, match=r"replay\.test"):
        transport.open(REQUEST)
    assert transport.requests == [REQUEST] * 3
    assert transport.open_replies == 2
    first.finish(1.0)
    first.close()
    first.close()
    assert transport.open_replies == 1
    transport.close()


@pytest.mark.anyio
async def test_a_recorded_error_refuses_or_cuts() -> None:
    error = StreamInterruptedError("cut")
    cut = Recorded(pieces=[b"a"], error=error)
    refused = Recorded(error=error, is_refused=True)
    transport = AsyncReplayTransport(in_order(cut, cut, refused))
    with pytest.raises(StreamInterruptedError):
        await (await transport.open(REQUEST)).read()
    reply = await transport.open(REQUEST)
    pieces = reply.pieces()
    assert await anext(pieces) == b"a"
    with pytest.raises(StreamInterruptedError):
        await anext(pieces)
    with pytest.raises(StreamInterruptedError):
        await transport.open(REQUEST)
    assert transport.open_replies == 2
    await reply.close()
    await transport.close()
    assert len(transport.requests) == 3
