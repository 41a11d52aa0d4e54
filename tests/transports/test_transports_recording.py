"""What a recording holds of bodies that break, that are no text, and that nobody waits for."""

from __future__ import annotations

from pathlib import Path

import pytest

from puna.errors import APIConnectionError
from puna.transports.cassette import read_cassette
from puna.transports.exchanges import Failure
from puna.transports.recording import AsyncRecordingTransport, RecordingTransport
from puna.transports.replay import AsyncReplayTransport, Recorded, ReplayTransport, in_order
from puna.transports.takes import Recorder
from puna.wire.http import HTTPRequest

REQUEST = HTTPRequest("POST", "http://up.test/v1", {}, b"\xff\x00")
WHOLE = Recorded(200, {}, [b"\xffa", b"b"])
BROKEN = Recorded(200, {}, [b"a"], error=APIConnectionError("it broke"))
ENDS = [
    "whole",
    Failure("APIConnectionError", "it broke", "connection_error", 502, is_retryable=True),
]


def test_bodies_are_recorded_to_their_ends(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    inner = ReplayTransport(in_order(WHOLE, BROKEN))
    transport = RecordingTransport(inner, Recorder(file))
    reply = transport.open(REQUEST)
    assert list(reply.pieces()) == [b"\xffa", b"b"]
    reply.close()
    reply = transport.open(REQUEST)
    with pytest.raises(APIConnectionError):
        reply.read()
    reply.close()
    transport.close()
    assert inner.open_replies == 0
    first, second = read_cassette(file)
    assert [piece for _, piece in first.pieces] == [b"\xffa", b"b"]
    assert first.sent is not None
    assert first.sent.body == b"\xff\x00"
    assert [first.end, second.end] == ENDS


@pytest.mark.anyio
async def test_bodies_are_recorded_to_their_ends_in_asyncio(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    inner = AsyncReplayTransport(in_order(WHOLE, BROKEN))
    transport = AsyncRecordingTransport(inner, Recorder(file))
    reply = await transport.open(REQUEST)
    assert [piece async for piece in reply.pieces()] == [b"\xffa", b"b"]
    await reply.close()
    reply = await transport.open(REQUEST)
    with pytest.raises(APIConnectionError):
        await reply.read()
    await reply.close()
    await transport.close()
    assert inner.open_replies == 0
    assert [exchange.end for exchange in read_cassette(file)] == ENDS


def test_a_request_whose_head_never_came_is_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    recorder = Recorder(file)
    recorder.begin(REQUEST)
    recorder.close()
    assert read_cassette(file) == []
