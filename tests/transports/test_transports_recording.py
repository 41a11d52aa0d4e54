"""What a recording holds of bodies that break, that are no text, and that nobody waits for."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from puna.errors import APIConnectionError
from puna.transports.cassette import read_cassette
from puna.transports.recorded import RecordedFailure
from puna.transports.recorder import Recorder
from puna.transports.recording import AsyncRecordingTransport, RecordingTransport
from puna.transports.replay import AsyncReplayTransport, Recorded, ReplayTransport, in_order
from puna.wire.http import HTTPRequest

REQUEST = HTTPRequest("POST", "http://up.test/v1", {}, b"\xff\x00")
WHOLE = Recorded(200, {}, [b"\xffa", b"b"])
BROKEN = Recorded(200, {}, [b"a"], error=APIConnectionError("it broke"))
ENDS = [
    "whole",
    RecordedFailure("APIConnectionError", "it broke", "connection_error", 502, is_retryable=True),
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


def test_a_cassette_that_cannot_be_written_fails_no_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    file = folder / "a.json"
    inner = ReplayTransport(in_order(WHOLE, WHOLE, WHOLE))
    transport = RecordingTransport(inner, Recorder(file))
    file.unlink()
    folder.rmdir()
    for _ in range(2):
        reply = transport.open(REQUEST)
        assert reply.read() == b"\xffab"
        reply.close()
    assert caplog.text.count("not recorded") == 1
    folder.mkdir()
    reply = transport.open(REQUEST)
    assert reply.read() == b"\xffab"
    reply.close()
    transport.close()
    assert len(read_cassette(file)) == 3  # what could not be written before is there, too


@pytest.mark.anyio
async def test_a_cassette_that_cannot_be_written_fails_no_call_in_asyncio(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    inner = AsyncReplayTransport(in_order(WHOLE))
    transport = AsyncRecordingTransport(inner, Recorder(folder / "a.json"))
    (folder / "a.json").unlink()
    folder.rmdir()
    reply = await transport.open(REQUEST)
    assert [piece async for piece in reply.pieces()] == [b"\xffa", b"b"]
    await reply.close()
    await transport.close()
    assert caplog.text.count("not recorded") == 1


def test_a_cassette_is_its_owners_only(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.touch()
    file.chmod(0o644)
    Recorder(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("depth", [150, 199, 200, 400, 900, 20_000])
def test_a_body_that_nests_deep_is_recorded_and_so_is_what_follows(
    depth: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "a.json"
    deep = b"[" * depth + b"]" * depth
    inner = ReplayTransport(in_order(Recorded(200, {}, [deep]), WHOLE))
    transport = RecordingTransport(inner, Recorder(file))
    for request in (HTTPRequest("POST", "http://up.test/v1", {}, deep), REQUEST):
        reply = transport.open(request)
        reply.read()
        reply.close()
    transport.close()
    first, second = read_cassette(file)
    assert b"".join(piece for _, piece in first.pieces) == deep
    assert first.sent is not None
    assert second.end == "whole"
    assert caplog.text == ""


def test_an_exchange_that_cannot_be_told_is_left_out_and_fails_no_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The transport within gives a header whose value is no text."""
    file = tmp_path / "a.json"
    odd: Any = {"x-count": 3}
    inner = ReplayTransport(in_order(WHOLE, Recorded(200, odd, [b"a"]), WHOLE))
    transport = RecordingTransport(inner, Recorder(file))
    bodies: list[bytes] = []
    for _ in range(3):
        reply = transport.open(REQUEST)
        bodies.append(reply.read())
        reply.close()
    transport.close()
    assert bodies == [b"\xffab", b"a", b"\xffab"]
    assert inner.open_replies == 0
    assert [exchange.end for exchange in read_cassette(file)] == ["whole", "whole"]
    assert caplog.text.count("An exchange cannot be recorded") == 1
