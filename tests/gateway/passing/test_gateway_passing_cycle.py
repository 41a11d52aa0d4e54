"""A client's connection on the fast lane: who leaves, reads slowly, asks more than once."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from tests.support.lane_pairs import AUTH, CONFIG
from tests.support.lane_requests import HI, STREAMED, ended, endless, plain_reply, turns
from tests.support.lanes import Edge, read_answer, request_bytes

from puna.transports.replay import Recorded


@pytest.mark.case(126)
def test_a_client_that_leaves_ends_the_call_and_it_is_settled() -> None:
    async def run() -> Edge:
        edge = Edge(lambda _: endless(), CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        protocol.data_received(request_bytes(STREAMED, AUTH))
        await turns(10)
        assert b'"model":"public"' in wire.written
        protocol.connection_lost(None)
        before = len(wire.written)
        await turns(10)
        assert len(wire.written) == before
        return edge

    edge = asyncio.run(run())
    assert [exchange.is_cancelled for exchange in edge.hot.exchanges] == [True]
    (event,) = edge.events
    assert event.outcome == "cancelled"
    assert event.report.is_usage_estimated
    assert event.report.completion_tokens > 0


@pytest.mark.case(127)
def test_a_slow_reader_pauses_the_host() -> None:
    async def run() -> None:
        edge = Edge(lambda _: endless(), CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        protocol.data_received(request_bytes(STREAMED, AUTH))
        await turns(10)
        protocol.pause_writing()
        await turns(2)
        before = len(wire.written)
        await turns(20)
        assert len(wire.written) == before
        protocol.resume_writing()
        await turns(1_000)
        assert len(wire.written) > before
        assert wire.written.endswith(b"0\r\n\r\n")

    asyncio.run(run())


@pytest.mark.case(132)
def test_requests_on_one_connection_are_answered_in_order_and_pipelined_ones_too() -> None:
    async def run() -> None:
        edge = Edge(
            lambda request: plain_reply(json.loads(request.body)["model"]), CONFIG, is_fast=True
        )
        protocol, wire = edge.connect()
        ask = [request_bytes({**HI, "model": f"wild/{n}"}, AUTH) for n in range(3)]
        protocol.data_received(ask[0][:50])
        protocol.data_received(ask[0][50:] + ask[1])
        await turns(300)
        protocol.data_received(ask[2])
        await turns(300)
        assert re.findall(rb'"model":"(wild/\d)"', wire.written) == [
            b"wild/0",
            b"wild/1",
            b"wild/2",
        ]
        assert not wire.has_ended

    asyncio.run(run())


HI_BYTES = request_bytes(HI, AUTH)


def test_a_client_that_leaves_with_a_request_in_the_queue_is_noticed() -> None:
    async def run() -> Edge:
        edge = Edge(lambda _: endless(), CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        reads: list[bool] = []
        for data in (request_bytes(STREAMED, AUTH) + request_bytes(HI, AUTH), HI_BYTES * 20):
            protocol.data_received(data)
            await turns(20)
            reads.append(wire.reads)
        assert reads == [True, False]
        protocol.connection_lost(None)
        await turns(50)
        return edge

    assert [event.outcome for event in asyncio.run(run()).events] == ["cancelled"]


def test_a_client_that_leaves_ends_the_first_of_its_pipelined_requests() -> None:
    """uvicorn tells only the last request of a connection that its client has left."""
    long = Recorded(200, endless().headers, tuple(endless().pieces) * 40)

    async def run() -> Edge:
        edge = Edge(lambda _: long, CONFIG, is_fast=False)
        protocol, wire = edge.connect()
        protocol.data_received(request_bytes(STREAMED, AUTH) + HI_BYTES * 2)
        await turns(20)
        assert b'"model":"public"' in wire.written
        protocol.connection_lost(None)
        before = len(wire.written)
        await turns(20)
        assert len(wire.written) == before
        return edge

    assert [event.outcome for event in asyncio.run(run()).events] == ["cancelled"]


def test_a_client_that_wants_no_further_request_is_told_so() -> None:
    async def run() -> None:
        edge = Edge(lambda _: plain_reply(), CONFIG, is_fast=True)
        for body, headers in ((HI, {"connection": "close"}), ({**HI, "model": "nobody"}, {})):
            protocol, wire = edge.connect()
            protocol.data_received(request_bytes(body, {**AUTH, **headers}))
            await turns(100)
            assert wire.has_ended == bool(headers)
            assert (b"connection: close" in wire.written) == bool(headers)

    asyncio.run(run())


@pytest.mark.case(128)
@pytest.mark.parametrize("is_stream", [True, False])
def test_the_end_of_the_gateway_settles_what_is_under_way_and_tells_the_client(
    *, is_stream: bool
) -> None:
    async def run() -> Edge:
        edge = Edge(lambda _: endless(), CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        protocol.data_received(request_bytes(STREAMED if is_stream else HI, AUTH) + HI_BYTES)
        await turns(10)
        assert bool(wire.written) is is_stream
        await edge.app.finish_visits()
        assert wire.is_closed
        answer = read_answer(wire.written)
        assert answer is not None
        assert answer.status == (200 if is_stream else 503)
        error = json.loads(answer.events[-1] if is_stream else answer.text)["error"]
        assert error["code"] == "gateway_stopping"
        assert wire.written.count(b"HTTP/1.1 ") == 1
        assert ("close" in answer.headers.get("connection", "")) is not is_stream
        return edge

    assert [event.outcome for event in asyncio.run(run()).events] == ["cancelled"]


@pytest.mark.case(127)
def test_who_does_not_read_gets_no_further_call_of_the_fast_lane() -> None:
    async def run() -> Edge:
        edge = Edge(lambda _: plain_reply(), CONFIG, is_fast=True)
        protocol, _ = edge.connect()
        protocol.data_received(request_bytes(HI, AUTH))
        await turns(50)
        protocol.pause_writing()
        protocol.data_received(request_bytes(STREAMED, AUTH))
        await turns(50)
        protocol.connection_lost(None)
        await turns(50)
        return edge

    assert len(asyncio.run(run()).hot.requests) == 1


@pytest.mark.case(127)
def test_a_pause_holds_for_the_next_attempt_too() -> None:
    config = CONFIG.replace("num_retries: 0", "num_retries: 1")

    async def run() -> tuple[int, int]:
        replies = iter((Recorded(503, {"retry-after-ms": "1"}, (b"",)), ended()))
        edge = Edge(lambda _: next(replies), config, is_fast=True)
        protocol, wire = edge.connect()
        protocol.data_received(request_bytes(STREAMED, AUTH))
        protocol.pause_writing()
        await turns(5)
        edge.hot.exchanges[0].resume()
        while len(edge.hot.exchanges) == 1:  # noqa: ASYNC110 - a timer of the loop brings it
            await asyncio.sleep(0.001)
        await turns(20)
        held = len(wire.written)
        protocol.resume_writing()
        await turns(1_200)
        return held, len(wire.written)

    held, written = asyncio.run(run())
    assert held == 0
    assert written > 10_000
