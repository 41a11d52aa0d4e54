"""A client's connection at the server: its end, bad bytes behind requests, other protocols."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.asgi import Answer
from tests.support.lane_pairs import AUTH, CONFIG
from tests.support.lane_requests import HI, STREAMED, endless, plain_reply, turns
from tests.support.lanes import Edge, Wire, read_answer, request_bytes

from puna.transports.replay import Player, Recorded
from puna.wire.http import HTTPRequest


def test_another_version_of_http_is_refused() -> None:
    async def ask(version: bytes) -> Answer:
        edge = Edge(lambda _: plain_reply(), CONFIG, is_fast=True)
        return await edge.ask(request_bytes(HI, AUTH).replace(b"HTTP/1.1", version))

    answer = asyncio.run(ask(b"HTTP/2.0"))
    assert (answer.status, answer.error["code"]) == (505, "invalid_request")
    assert asyncio.run(ask(b"HTTP/1.1")).status == 200


@pytest.mark.case(128)
@pytest.mark.parametrize("body", [HI, {**HI, "tools": []}])
def test_a_request_whose_body_is_on_its_way_at_the_end_is_answered(body: Any) -> None:
    async def run() -> Wire:
        edge = Edge(lambda _: plain_reply(), CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        data = request_bytes(body, AUTH)
        protocol.data_received(data[:-5])
        protocol.shutdown()
        assert not wire.has_ended
        protocol.data_received(data[-5:])
        await turns(100)
        return wire

    wire = asyncio.run(run())
    answer = read_answer(wire.written)
    assert answer is not None
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert wire.has_ended


@pytest.mark.case(128)
@pytest.mark.parametrize("body", [STREAMED, {**STREAMED, "tools": []}], ids=["fast", "full"])
def test_a_client_that_asks_at_once_behind_its_stream_is_answered_at_the_end(body: Any) -> None:
    async def run() -> tuple[bytes, Wire]:
        edge = Edge(lambda _: endless(), CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        protocol.data_received(request_bytes(body, AUTH))
        while b"\r\n\r\n" not in wire.written:  # the head promises that one more may come
            await turns(1)
        protocol.shutdown()
        await turns(2_000)
        first, wire.written = wire.written, b""
        assert not wire.has_ended
        protocol.data_received(request_bytes(body, AUTH))
        await turns(2_000)
        return first, wire

    first, wire = asyncio.run(run())
    assert b"connection: close" not in first
    assert first.endswith(b"0\r\n\r\n")
    answer = read_answer(wire.written)
    assert answer is not None
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert wire.has_ended


@pytest.mark.case(128)
@pytest.mark.parametrize("body", [STREAMED, {**STREAMED, "tools": []}], ids=["fast", "full"])
def test_a_stream_that_has_not_begun_at_the_end_says_that_it_is_the_last(body: Any) -> None:
    async def run() -> Wire:
        edge = Edge(lambda _: endless(), CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        protocol.data_received(request_bytes(body, AUTH))
        assert not wire.written
        protocol.shutdown()
        await turns(2_000)
        return wire

    wire = asyncio.run(run())
    answer = read_answer(wire.written)
    assert answer is not None
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert wire.has_ended


BAD = b"\0garbage\r\n\r\n"
CUT = request_bytes(HI, {**AUTH, "transfer-encoding": "chunked"}).partition(b"content-length")[0]
BAD_BODY = CUT.replace(b"content-type: ", b"x-type: ") + b"\r\nzz\r\n"
"""A request in chunks of which the first has no length."""


async def answers_before(*reads: bytes, play: Player) -> tuple[list[Answer], Wire]:
    """All whole replies on a connection that got these reads."""
    edge = Edge(play, CONFIG, is_fast=True)
    protocol, wire = edge.connect()
    for read in reads:
        if not wire.has_ended:
            protocol.data_received(read)
        await turns(10)
    await turns(2_000)
    answers: list[Answer] = []
    for part in wire.written.split(b"HTTP/1.1 ")[1:]:
        answer = read_answer(b"HTTP/1.1 " + part)
        assert answer is not None
        answers.append(answer)
    return answers, wire


@pytest.mark.case(132)
@pytest.mark.parametrize("behind", [BAD, BAD_BODY, BAD + BAD])
@pytest.mark.parametrize("body", [HI, {**HI, "tools": []}, STREAMED, {**STREAMED, "tools": []}])
@pytest.mark.parametrize("is_late", [False, True])
def test_bad_bytes_behind_a_request_do_not_take_its_answer(
    behind: bytes, body: Any, *, is_late: bool
) -> None:
    def play(_: HTTPRequest) -> Recorded:
        return endless() if body.get("stream") else plain_reply()

    good = request_bytes(body, AUTH)
    reads = [good, behind, BAD] if is_late else [good + behind, BAD]
    answers, wire = asyncio.run(answers_before(*reads, play=play))
    assert answers[0].status == 200
    assert wire.has_ended
    # An answer that was out before the bad bytes came leaves room for a reply of their own.
    assert [answer.status for answer in answers[1:]] in ([], [400])


@pytest.mark.case(132)
@pytest.mark.parametrize("behind", [BAD, BAD_BODY])
def test_all_requests_before_bad_bytes_are_answered(behind: bytes) -> None:
    good = request_bytes({**HI, "tools": []}, AUTH)
    answers, wire = asyncio.run(answers_before(good * 3 + behind, play=lambda _: plain_reply()))
    assert [answer.status for answer in answers] == [200] * 3
    assert wire.has_ended


def test_the_answer_before_bad_bytes_tells_that_it_is_the_last() -> None:
    good = request_bytes({**HI, "tools": []}, AUTH)
    answers, wire = asyncio.run(answers_before(good + BAD, play=lambda _: plain_reply()))
    assert [answer.headers.get("connection") for answer in answers] == ["close"]
    assert wire.has_ended


@pytest.mark.case(132)
@pytest.mark.parametrize("bad", [BAD, BAD_BODY])
def test_bad_bytes_alone_are_told_at_once(bad: bytes) -> None:
    answers, wire = asyncio.run(answers_before(bad, play=lambda _: plain_reply()))
    assert [answer.status for answer in answers] == [400]
    assert wire.has_ended


def test_many_wishes_to_upgrade_in_one_read_end_the_connection() -> None:
    one = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"

    async def run(count: int) -> Wire:
        edge = Edge(lambda _: plain_reply(), CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        protocol.data_received(one * count)
        await turns(200)
        return wire

    few = asyncio.run(run(3))
    assert few.written.count(b"HTTP/1.1 200 OK") == 3
    assert not few.has_ended
    assert asyncio.run(run(1_000)).has_ended
