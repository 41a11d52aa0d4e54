"""What nobody foresaw, at each place where it can come up: an answer, a log line, a settlement."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.asgi import CHAT, House
from tests.support.asgi import CONFIG as ONE_HOST
from tests.support.breaking import Breaking
from tests.support.lane_pairs import AUTH, CONFIG, HOST_KEY
from tests.support.lane_requests import (
    HI,
    STREAMED,
    chunk,
    plain_reply,
    spoil,
    turns,
)
from tests.support.lanes import Edge, PlayedTransport, Wire, read_answer, request_bytes
from tests.support.upstream import Upstream

from puna.errors import APIConnectionError
from puna.gateway.server.protocol import GatewayProtocol
from puna.telemetry.events import CallEvent
from puna.transports.replay import Recorded
from puna.wire.http import HTTPRequest

EVENTS = {"content-type": "text/event-stream"}
SECRETS = (HOST_KEY, "Traceback", "a bug", "Error(")


@dataclass
class Faulty(PlayedTransport):
    """A transport with a fault: it raises at the request for a host, and tells the address."""

    host: str = "http://up/"

    def start(self, request: HTTPRequest, sink: Any) -> Any:
        if request.url.startswith(self.host):
            raise RuntimeError(f"a bug at {request.url} with {dict(request.headers)}")
        return super().start(request, sink)


class Odd(bytes):
    """A piece of a body from a transport that has bytes of its own kind, which fail when read."""

    def startswith(self, *_: Any) -> bool:
        raise RuntimeError("a bug of a transport's bytes")


async def written(edge: Edge, body: Any) -> tuple[GatewayProtocol, Wire]:
    protocol, wire = edge.connect()
    protocol.data_received(request_bytes(body, AUTH))
    await turns(50)
    return protocol, wire


def is_internal_error(wire: Wire) -> bool:
    """Whether a reply says only that something went wrong here, and the connection goes on."""
    answer = read_answer(wire.written)
    assert answer is not None
    assert not [one for one in SECRETS if one in answer.text or one in str(answer.headers)]
    assert not wire.is_closed
    return (answer.status, answer.error["code"]) == (500, "internal_error")


@pytest.mark.case(154, 155)
@pytest.mark.parametrize("body", [HI, STREAMED])
@pytest.mark.parametrize("model", ["public", "falls"])
def test_a_transport_that_cannot_begin_is_an_answer_and_a_failed_call(
    body: dict[str, Any], model: str, caplog: pytest.LogCaptureFixture
) -> None:
    """At the first try of a call, and at a later one, which a reply's failure brings about."""

    def play(request: HTTPRequest) -> Recorded:
        assert request.url.startswith("http://down/")
        raise APIConnectionError("nobody is there")

    async def run() -> tuple[Edge, Wire]:
        edge = Edge(play, CONFIG, is_fast=True, hot=Faulty(play))
        _, wire = await written(edge, {**body, "model": model})
        return edge, wire

    edge, wire = asyncio.run(run())
    assert is_internal_error(wire)
    (event,) = edge.events
    assert (event.outcome, event.report.lane) == ("failure", "fast")
    assert event.report.prompt_tokens == 0
    assert caplog.text.count("A call failed") == 1
    assert len(edge.hot.requests) == (1 if model == "falls" else 0)


@pytest.mark.case(154, 155)
def test_a_head_that_cannot_be_read_is_an_answer_and_its_exchange_is_cut(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A transport that decodes headers as UTF-8: HTTP's own are Latin-1."""
    pieces = (chunk("a", role="assistant"), chunk("b"))
    reply = Recorded(200, {**EVENTS, "x-model": "a bug of λ"}, pieces)

    async def run() -> tuple[Edge, Wire]:
        edge = Edge(lambda _: reply, CONFIG, is_fast=True)
        _, wire = await written(edge, STREAMED)
        return edge, wire

    edge, wire = asyncio.run(run())
    assert is_internal_error(wire)
    assert [event.outcome for event in edge.events] == ["failure"]
    assert edge.hot.exchanges[0].is_cancelled
    assert caplog.text.count("A call failed") == 1


def test_a_reply_in_pieces_whose_answer_cannot_be_written_is_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As a reply that comes at once; the hook is the cause, and the call itself went well."""
    (body,) = plain_reply().pieces
    pieces = (body[:20], body[20:])

    async def run() -> tuple[Edge, Wire]:
        reply = Recorded(200, {"content-type": "application/json"}, pieces)
        edge = Edge(lambda _: reply, CONFIG, is_fast=True, hooks=(spoil,))
        _, wire = await written(edge, HI)
        return edge, wire

    edge, wire = asyncio.run(run())
    assert is_internal_error(wire)
    assert [event.outcome for event in edge.events] == ["success"]
    assert caplog.text.count("A call failed") == 1


def test_what_was_used_may_be_what_cannot_be_read_and_the_call_is_settled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A client that leaves while the rest of an event is held back, which no reader can take."""

    async def run() -> tuple[Edge, Wire]:
        reply = Recorded(200, EVENTS, (chunk("a", role="assistant"), Odd(b"data: {")))
        edge = Edge(lambda _: reply, CONFIG, is_fast=True)
        edge.hot.is_silent = True
        protocol, wire = await written(edge, STREAMED)
        assert edge.events == []
        protocol.connection_lost(None)
        return edge, wire

    edge, wire = asyncio.run(run())
    assert [event.outcome for event in edge.events] == ["cancelled"]
    assert edge.hot.exchanges[0].is_cancelled
    assert caplog.text.count("What a call used is not known") == 1
    assert b"bug" not in wire.written


def test_a_stream_that_breaks_by_a_fault_of_ours_is_a_failed_call() -> None:
    """On the long way, too: nobody left, so it is not told as `cancelled`."""
    heard: list[CallEvent] = []
    house = House(transport=Breaking(), hooks=(heard.append,))
    answer = house.ask(body={**CHAT, "stream": True})
    assert json.loads(answer.events[-1])["error"]["code"] == "internal_error"
    assert [(event.outcome, type(event.error)) for event in heard] == [("failure", RuntimeError)]


@pytest.mark.parametrize("is_stream", [True, False])
def test_a_response_that_comes_after_the_end_of_its_store_is_answered(
    is_stream: bool,  # noqa: FBT001 - a parametrised case
    upstream: Upstream,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The gateway has closed its store at its end, and an answer is still under way."""
    path = tmp_path / "responses.db"
    house = House(upstream, f"{ONE_HOST}general_settings: {{response_store: {path}}}\n")
    asyncio.run(house.app.responses.store.close())
    body = {"model": CHAT["model"], "input": "hi", "stream": is_stream}
    answer = house.ask("/v1/responses", body)
    assert answer.status == 200
    assert ("response.completed" if is_stream else '"status":"completed"') in answer.text
    assert "shutdown" not in answer.text
    assert caplog.text.count("was not stored") == 1
    assert "cannot schedule new futures after shutdown" in caplog.text
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT COUNT(*) FROM responses").fetchone() == (0,)
    db.close()
