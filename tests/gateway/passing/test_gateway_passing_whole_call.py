"""Calls of the fast lane: retries, settlement, hooks, and that they leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import json
import pickle
import re
import weakref
from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.asgi import Answer
from tests.support.lane_pairs import AUTH, CONFIG, KEY
from tests.support.lane_requests import (
    HI,
    STREAMED,
    ask_edge,
    chunk,
    ended,
    endless,
    plain_reply,
    spoil,
    turns,
)
from tests.support.lanes import Edge, Wire, read_answer, request_bytes

from puna.engine.drive import CallDrive
from puna.errors import APIConnectionError
from puna.gateway.passing.cycle import FastCycle
from puna.gateway.server.protocol import GatewayProtocol
from puna.telemetry.events import CallEvent, Hook
from puna.transports.replay import Recorded
from puna.wire.http import HTTPReply, HTTPRequest


@pytest.mark.case(141)
def test_a_failure_is_tried_again_after_its_pause() -> None:
    config = CONFIG.replace("num_retries: 0", "num_retries: 1")

    async def run() -> tuple[Edge, Answer]:
        replies = iter((Recorded(503, {"retry-after-ms": "10"}, (b"",)), plain_reply()))
        edge = Edge(lambda _: next(replies), config, is_fast=True)
        protocol, wire = edge.connect()
        protocol.data_received(request_bytes(HI, AUTH))
        while (answer := read_answer(wire.written)) is None:  # noqa: ASYNC110 - a timer brings it
            await asyncio.sleep(0.001)
        return edge, answer

    edge, answer = asyncio.run(run())
    assert answer.status == 200
    assert answer.headers["x-litellm-attempted-retries"] == "1"
    assert len(edge.hot.requests) == 2


@pytest.mark.case(126)
@pytest.mark.parametrize("asked", [HI, STREAMED])
def test_a_client_that_leaves_during_a_pause_ends_it_and_has_used_nothing(
    asked: Mapping[str, Any],
) -> None:
    config = CONFIG.replace("num_retries: 0", "num_retries: 1")

    async def run() -> Edge:
        edge = Edge(lambda _: Recorded(503, {"retry-after": "9"}, (b"",)), config, is_fast=True)
        protocol, _ = edge.connect()
        protocol.data_received(request_bytes(asked, AUTH))
        await turns(20)
        protocol.connection_lost(None)
        return edge

    edge = asyncio.run(run())
    (event,) = edge.events
    assert event.outcome == "cancelled"
    assert (event.report.prompt_tokens, event.report.is_usage_estimated) == (0, False)
    assert len(edge.hot.requests) == 1


@pytest.mark.case(154, 155)
@pytest.mark.parametrize("after", [0, 1, 3])
def test_what_nobody_foresaw_is_an_answer_and_a_settlement(
    after: int, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(bytes):
        def rfind(self, *_: Any) -> int:
            raise ZeroDivisionError("a secret detail")

    pieces = [chunk("a", role="assistant"), chunk("b"), chunk("c")]
    pieces.insert(after, Broken(b"data: {"))
    answer = ask_edge(
        STREAMED,
        play=lambda _: Recorded(200, {"content-type": "text/event-stream"}, pieces),
    )
    assert "secret" not in answer.text
    assert "A call failed" in caplog.text
    if after == 0:
        assert answer.status == 500
    else:
        assert answer.status == 200
        assert json.loads(answer.events[-1])["error"]["code"] == "internal_error"


class FailingOnce(Wire):
    """A connection whose first write goes wrong."""

    has_failed = False

    def write(self, data: Any) -> None:
        if not self.has_failed:
            self.has_failed = True
            raise ZeroDivisionError("a secret detail")
        super().write(data)


@pytest.mark.parametrize(("hooks", "wire"), [((spoil,), Wire()), ((), FailingOnce())])
def test_a_failure_behind_the_settlement_is_an_answer_all_the_same(
    hooks: tuple[Hook, ...], wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask() -> tuple[Edge, Answer | None]:
        edge = Edge(lambda _: plain_reply(), CONFIG, is_fast=True, hooks=hooks)
        protocol, _ = edge.connect(wire)
        protocol.data_received(request_bytes(HI, AUTH))
        await turns(50)
        return edge, read_answer(wire.written)

    edge, answer = asyncio.run(ask())
    assert answer is not None
    assert (answer.status, answer.error["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert [event.outcome for event in edge.events] == ["success"]
    assert "A call failed" in caplog.text


def test_an_async_hook_is_awaited() -> None:
    heard: list[str] = []

    async def hook(event: CallEvent) -> None:
        await asyncio.sleep(0)
        heard.append(event.outcome)

    async def run() -> None:
        edge = Edge(lambda _: plain_reply(), CONFIG, is_fast=True, hooks=(hook,))
        await edge.ask(request_bytes(HI, AUTH))
        await turns(5)

    asyncio.run(run())
    assert heard == ["success"]


def test_lines_of_the_log_come_together_and_each_is_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "puna.gateway")

    async def run() -> None:
        edge = Edge(lambda _: plain_reply(), CONFIG, is_fast=True)
        for _ in range(3):
            await edge.ask(request_bytes(HI, AUTH))
        assert "-> openai/up/model" not in caplog.text
        await edge.app.finish_visits()

    asyncio.run(run())
    lines = [record.getMessage() for record in caplog.records if record.levelname == "INFO"]
    assert len(lines) == 3
    assert re.fullmatch(
        r"POST /v1/chat/completions 200 \d+\.\d ms public -> openai/up/model", lines[0]
    )


TWO_HOSTS = f"""
model_list:
  - model_name: first
    litellm_params: {{model: openai/first, api_base: "http://down/v1", api_key: sk-aaaa-first-host}}
  - model_name: second
    litellm_params:
      model: litellm_proxy/second
      api_base: http://up/v1
      api_key: sk-bbbb-second-host
litellm_settings: {{num_retries: 0}}
router_settings: {{fallbacks: [{{first: [second]}}], disable_cooldowns: true}}
general_settings: {{master_key: {KEY}}}
"""


@pytest.mark.case(155)
@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("first", [Recorded(503, {}, (b"",)), Recorded(200, {}, (b"{}",))])
def test_the_key_of_a_fallbacks_host_is_hidden_too(is_stream: bool, first: Recorded) -> None:  # noqa: FBT001 - a parametrised case
    def play(request: HTTPRequest) -> Recorded:
        if "down" in request.url:
            return first
        raise APIConnectionError("Cannot reach sk-bbbb-second-host", is_retryable=False)

    async def run() -> tuple[Answer, Edge, Answer]:
        data = request_bytes({**HI, "model": "first", "stream": is_stream}, AUTH)
        fast = Edge(play, TWO_HOSTS, is_fast=True)
        full = Edge(play, TWO_HOSTS, is_fast=False)
        return await fast.ask(data), fast, await full.ask(data)

    answer, edge, other = asyncio.run(run())
    assert len(edge.hot.requests) == 2
    assert "bbbb" not in answer.text
    assert answer.json == other.json
    assert edge.events[0].error is not None
    assert edge.events[0].report.provider == "litellm_proxy"


def test_the_end_of_the_gateway_waits_for_the_hooks_of_the_last_calls() -> None:
    heard: list[str] = []

    async def hook(event: CallEvent) -> None:
        await asyncio.sleep(0.01)
        heard.append(event.outcome)

    async def run() -> None:
        edge = Edge(lambda _: endless(), CONFIG, is_fast=True, hooks=(hook,))
        protocol, _ = edge.connect()
        protocol.data_received(request_bytes(STREAMED, AUTH))
        await turns(10)
        await edge.app.finish_visits()

    asyncio.run(run())
    assert heard == ["cancelled"]


@pytest.mark.parametrize("body", [HI, STREAMED])
def test_a_request_and_its_connection_leave_no_work_for_the_collector(body: Any) -> None:
    async def run() -> int:
        edge = Edge(lambda _: plain_reply() if body is HI else ended(), CONFIG, is_fast=True)
        await edge.ask(request_bytes(body, AUTH))
        edge.events.clear()
        edge.hot.exchanges.clear()
        gc.collect()
        gc.disable()
        try:
            await edge.ask(request_bytes(body, AUTH))
            edge.events.clear()
            edge.hot.exchanges.clear()
            await turns(3)
            kinds = (FastCycle, GatewayProtocol, CallDrive)
            return sum(isinstance(one, kinds) for one in gc.get_objects())
        finally:
            gc.enable()

    assert asyncio.run(run()) == 0


LONG = b'{"choices": [' + b" " * 100_000
BROKEN_BODIES: list[tuple[Any, Recorded]] = [
    (body, reply)
    for body in (HI, STREAMED)
    for reply in (
        Recorded(500, {"content-type": "application/json"}, (b'{"error": "no"}', LONG)),
        Recorded(200, {"content-type": "application/json"}, (LONG,)),
        Recorded(200, {"content-type": "application/json"}, (b'{"choices": []}',)),
        Recorded(200, {"content-type": "text/html"}, (b"<html>" + LONG,)),
    )
]
BROKEN_STREAMS: list[tuple[Any, Recorded]] = [
    (STREAMED, Recorded(200, {"content-type": "text/event-stream"}, pieces, error))
    for pieces in ((b"data: {\n\n",), (chunk("a", role="assistant"), b"data: {\n\n"), ())
    for error in (None, APIConnectionError("Cannot reach `http://up`: cut"))
]


@pytest.mark.parametrize(("body", "reply"), BROKEN_BODIES + BROKEN_STREAMS)
def test_a_call_that_failed_is_gone_with_all_that_it_read(body: Any, reply: Recorded) -> None:
    calls: list[weakref.ref[CallDrive[Any, Any]]] = []

    def play(_: HTTPRequest) -> Recorded:
        calls.extend(weakref.ref(one) for one in gc.get_objects() if isinstance(one, CallDrive))
        return reply

    async def run() -> tuple[Answer, int]:
        edge = Edge(play, CONFIG, is_fast=True)
        gc.collect()
        gc.disable()
        try:
            answer = await edge.ask(request_bytes(body, AUTH))
            edge.events.clear()
            edge.hot.exchanges.clear()
            await turns(3)
            read = [one for one in gc.get_objects() if isinstance(one, HTTPReply)]
            return answer, len(read)
        finally:
            gc.enable()

    answer, replies = asyncio.run(run())
    assert answer.status >= 400 or b"error" in answer.body
    assert len(calls) == 1
    assert ([call() for call in calls], replies) == ([None], 0)


@pytest.mark.parametrize("is_fast", [True, False])
def test_a_hook_gets_plain_headers_without_cookies(is_fast: bool) -> None:  # noqa: FBT001 - a parametrised case
    cookie = {"set-cookie": "sess=SECRET", "x-a": "b", "content-type": "application/json"}

    async def ask() -> CallEvent:
        edge = Edge(lambda _: Recorded(200, cookie, plain_reply().pieces), CONFIG, is_fast=is_fast)
        await edge.ask(request_bytes(HI, AUTH))
        return edge.events[0]

    headers = asyncio.run(ask()).report.headers
    assert json.loads(json.dumps(headers)) == {"x-a": "b", "content-type": "application/json"}
    assert b"SECRET" not in pickle.dumps(headers)
