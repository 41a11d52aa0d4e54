"""How long a client may keep a connection: silent, with half a head, half a body, or answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.lanes import Edge, Wire, request_bytes
from tests.support.still_loop import StillLoop

from puna.config.schema import ServerConfig
from puna.gateway.server.client_limits import ClientLimits, PartialRequest, limits_of
from puna.gateway.server.protocol import GatewayProtocol
from puna.transports.replay import Recorded
from puna.wire.http import HTTPRequest

CONFIG = """
model_list:
  - model_name: public
    litellm_params: {model: openai/up, api_base: "http://up/v1", api_key: sk-host-12345}
litellm_settings: {num_retries: 0}
general_settings: {master_key: sk-master-1, head_timeout: 8, body_timeout: 12, linger_timeout: 20,
  max_request_size_mb: 0.01}
"""
AUTH = {"authorization": "Bearer sk-master-1"}
PLAIN = {"model": "public", "messages": [{"role": "user", "content": "hi"}]}
WHOLE = request_bytes(PLAIN, AUTH)
LANES = pytest.mark.parametrize("is_fast", [True, False])


def play(_: HTTPRequest) -> Recorded:
    message = {"role": "assistant", "content": "y"}
    body = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "up",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    return Recorded(200, {"content-type": "application/json"}, (json.dumps(body).encode(),))


Scene = Callable[[StillLoop, GatewayProtocol, Wire], Awaitable[None]]


def on_a_connection(scene: Scene, *, is_fast: bool) -> Wire:
    """Play a scene on a connection of its own; what the server wrote and did."""

    async def run() -> Wire:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, StillLoop)
        edge = Edge(play, CONFIG, is_fast=is_fast)
        protocol, wire = edge.connect()
        await scene(loop, protocol, wire)
        if not edge.state.connections:
            return wire
        protocol.connection_lost(None)
        for _ in range(5):
            await asyncio.sleep(0)
        return wire

    with asyncio.Runner(loop_factory=StillLoop) as runner:
        return runner.run(run())


def status_of(wire: Wire) -> int:
    return int(wire.written[9:12] or 0)


@LANES
def test_a_silent_connection_is_closed(*, is_fast: bool) -> None:
    async def scene(loop: StillLoop, _: GatewayProtocol, wire: Wire) -> None:
        await loop.pass_time(7.5)
        assert not wire.is_closed
        await loop.pass_time(1)

    wire = on_a_connection(scene, is_fast=is_fast)
    assert wire.is_closed
    assert wire.written == b""


@LANES
@pytest.mark.parametrize("drip", [b"\r\n", b"GET /", b"x-a: b\r\n"])
def test_a_head_that_drips_is_408(drip: bytes, *, is_fast: bool) -> None:
    async def scene(loop: StillLoop, protocol: GatewayProtocol, wire: Wire) -> None:
        protocol.data_received(drip if drip == b"\r\n" else b"GET / HTTP/1.1\r\nhost: a\r\n")
        for _ in range(12):
            if not (wire.written or wire.is_closed):
                protocol.data_received(drip if drip != b"GET /" else b"")
            await loop.pass_time(0.75)

    wire = on_a_connection(scene, is_fast=is_fast)
    if drip == b"\r\n":
        assert wire.is_closed
        assert wire.written == b""
        return
    assert status_of(wire) == 408
    assert b"request_timeout" in wire.written
    assert wire.is_half_closed


@LANES
@pytest.mark.parametrize("is_second", [False, True])
def test_a_body_that_stops_is_408(*, is_second: bool, is_fast: bool) -> None:
    async def scene(loop: StillLoop, protocol: GatewayProtocol, wire: Wire) -> None:
        if is_second:  # its head is known by its bytes
            protocol.data_received(WHOLE)
            await loop.pass_time(0.25)
            assert status_of(wire) == 200
            wire.written = b""
        protocol.data_received(WHOLE[:-5])
        await loop.pass_time(6)
        protocol.data_received(WHOLE[-5:-3])
        await loop.pass_time(5.5)
        assert wire.written == b""
        await loop.pass_time(1)

    wire = on_a_connection(scene, is_fast=is_fast)
    assert status_of(wire) == 408
    assert wire.is_half_closed


@LANES
def test_a_body_that_drips_is_408_in_the_end(*, is_fast: bool) -> None:
    async def scene(loop: StillLoop, protocol: GatewayProtocol, wire: Wire) -> None:
        protocol.data_received(WHOLE[:-60])
        for at in range(60, 1, -1):
            if not wire.written:
                protocol.data_received(WHOLE[-at : -at + 1])
            await loop.pass_time(0.25)

    assert status_of(on_a_connection(scene, is_fast=is_fast)) == 408


@LANES
def test_a_slow_client_that_comes_on_is_answered(*, is_fast: bool) -> None:
    async def scene(loop: StillLoop, protocol: GatewayProtocol, wire: Wire) -> None:
        for at in range(0, len(WHOLE), 40):
            protocol.data_received(WHOLE[at : at + 40])
            await loop.pass_time(1)
        await loop.pass_time(0.5)
        assert not wire.is_closed

    assert status_of(on_a_connection(scene, is_fast=is_fast)) == 200


@LANES
def test_a_late_answer_is_waited_for_without_limit(*, is_fast: bool) -> None:
    async def scene(loop: StillLoop, protocol: GatewayProtocol, wire: Wire) -> None:
        protocol.pause_writing()  # whoever does not read waits, as long as it likes
        protocol.data_received(WHOLE)
        await loop.pass_time(300, step_s=5)
        assert not wire.is_closed
        protocol.resume_writing()
        await loop.pass_time(0.5)

    assert status_of(on_a_connection(scene, is_fast=is_fast)) == 200


@LANES
@pytest.mark.parametrize(
    ("auth", "length", "status"), [({}, 500, 401), (AUTH, 99_999, 413), ({}, 99_999, 401)]
)
def test_who_is_refused_early_may_send_the_rest_for_a_while(
    auth: dict[str, str], length: int, status: int, *, is_fast: bool
) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in auth.items())
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{lines}content-length: {length}\r\n\r\n"
    )

    async def scene(loop: StillLoop, protocol: GatewayProtocol, wire: Wire) -> None:
        protocol.data_received(head.encode())
        await loop.pass_time(0.25)
        assert status_of(wire) == status
        for _ in range(25):
            if not wire.is_closed:
                protocol.data_received(b" ")
            await loop.pass_time(1)

    wire = on_a_connection(scene, is_fast=is_fast)
    assert wire.is_closed
    assert wire.written.count(b"HTTP/1.1 ") == 1


@LANES
def test_who_was_refused_early_and_sent_the_rest_may_ask_again(*, is_fast: bool) -> None:
    async def scene(loop: StillLoop, protocol: GatewayProtocol, wire: Wire) -> None:
        data = request_bytes(PLAIN)
        protocol.data_received(data[:-20])
        await loop.pass_time(0.25)
        assert status_of(wire) == 401
        protocol.data_received(data[-20:])
        await loop.pass_time(3)
        wire.written = b""
        protocol.data_received(WHOLE)
        await loop.pass_time(0.25)
        assert status_of(wire) == 200
        await loop.pass_time(6)
        assert wire.is_closed  # as any idle one

    on_a_connection(scene, is_fast=is_fast)


@LANES
def test_a_last_answer_lingers_while_the_client_writes(*, is_fast: bool) -> None:
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nconnection: close\r\n"
        "content-length: 99999\r\nauthorization: Bearer sk-master-1\r\n\r\n"
    )

    async def scene(loop: StillLoop, protocol: GatewayProtocol, wire: Wire) -> None:
        protocol.data_received(head.encode())
        await loop.pass_time(0.25)
        assert status_of(wire) == 413
        assert wire.is_half_closed
        for _ in range(15):
            protocol.data_received(b" " * 1_000)
            await loop.pass_time(1)
        assert not wire.is_closed
        await loop.pass_time(5.5)

    wire = on_a_connection(scene, is_fast=is_fast)
    assert wire.is_closed
    assert wire.written.count(b"HTTP/1.1 ") == 1


@LANES
@pytest.mark.parametrize("half", [b"GET / HT", b"GET / HTTP/1.1\r\nhost: a\r\n"])
def test_a_half_head_does_not_hold_up_the_end_of_the_server(half: bytes, *, is_fast: bool) -> None:
    async def scene(loop: StillLoop, protocol: GatewayProtocol, wire: Wire) -> None:
        protocol.data_received(half)
        protocol.shutdown()
        await loop.pass_time(1.5)
        assert wire.is_closed
        assert status_of(wire) == 503
        assert b'"code":"gateway_stopping"' in wire.written

    on_a_connection(scene, is_fast=is_fast)


@LANES
def test_a_half_head_behind_a_request_does_not_end_its_answer(*, is_fast: bool) -> None:
    async def scene(loop: StillLoop, protocol: GatewayProtocol, wire: Wire) -> None:
        protocol.pause_writing()
        protocol.data_received(WHOLE + b"POST /v1/chat")
        await loop.pass_time(30, step_s=1)
        assert wire.written == b""
        assert not wire.is_closed
        protocol.resume_writing()
        await loop.pass_time(0.5)
        assert status_of(wire) == 200
        await loop.pass_time(10)

    wire = on_a_connection(scene, is_fast=is_fast)
    assert wire.is_half_closed
    assert b"HTTP/1.1 408" in wire.written


@given(
    st.lists(st.tuples(st.floats(0, 30), st.integers(0, 5_000)), min_size=1, max_size=30),
)
def test_a_body_has_time_by_what_it_brought(reads: list[tuple[float, int]]) -> None:
    limits = ClientLimits(head_s=8, body_s=12, linger_s=20, bytes_per_s=1000)
    partial = PartialRequest()
    now, came = 0.0, 0
    partial.note(0, now, in_body=True)
    for pause_s, size in reads:
        assert partial.due(limits) == min(now + 12, 12 + came / 1000)
        now, came = now + pause_s, came + size
        partial.note(size, now, in_body=True)
    assert partial.due(limits) == pytest.approx(min(now + 12, 12 + came / 1000))


def test_the_limits_are_what_the_guide_says() -> None:
    limits = limits_of(ServerConfig(), files=1024)
    assert (limits.head_s, limits.body_s, limits.linger_s) == (20, 60, 30)
    assert limits.connections == (1024 - 128) // 2
    assert limits.files == 1024 - 128
    assert limits_of(ServerConfig(max_connections=7), files=1024).connections == 7
    assert limits_of(ServerConfig(), files=1 << 20).files == (1 << 20) - 256
