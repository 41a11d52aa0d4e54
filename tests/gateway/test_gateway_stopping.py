"""What is under way when the server ends it: uvicorn cancels the task of the request."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

import pytest
from tests.support.asgi import CHAT, MODEL, Answer, Caller, House
from tests.support.upstream import Reply, Upstream

from puna.telemetry.events import CallEvent

MESSAGES = {**CHAT, "max_tokens": 9}


def cancelled(house: House, path: str, body: dict[str, Any], *, pieces: int) -> Answer:
    """The answer to a request that is cancelled once so many pieces of it came."""

    async def run() -> Answer:
        caller, came = Caller("POST", path, body), asyncio.Event()

        async def send(message: MutableMapping[str, Any]) -> None:
            await caller.send(message)
            if len(caller.answer.pieces) >= pieces:
                came.set()

        task = asyncio.ensure_future(house.app(caller.scope, caller.receive, send))
        with suppress(TimeoutError):
            await asyncio.wait_for(came.wait(), 5 if pieces else 0.1)
        task.cancel()
        await asyncio.wait_for(task, 5)
        return caller.answer

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "body", "end"),
    [
        ("/v1/chat/completions", CHAT, '"code":"gateway_stopping"'),
        ("/v1/completions", {"model": MODEL, "prompt": "a"}, '"code":"gateway_stopping"'),
        ("/v1/messages", MESSAGES, '"type":"overloaded_error"'),
        ("/v1/responses", {"model": MODEL, "input": "a"}, '"type":"response.failed"'),
    ],
)
def test_a_stream_that_the_server_ends_has_a_last_event(
    upstream: Upstream, path: str, body: dict[str, Any], end: str
) -> None:
    seen: list[CallEvent] = []
    upstream.plays(Reply.endless())
    house = House(upstream, hooks=(seen.append,))
    answer = cancelled(house, path, {**body, "stream": True}, pieces=3)
    last = answer.pieces[-1].decode()
    assert end in last
    assert "The gateway stops" in last
    assert [event.outcome for event in seen] == ["cancelled"]
    assert upstream.sees(lambda: upstream.open_replies == 0)


def test_an_answer_that_the_server_ends_is_an_error_that_may_be_tried_again(
    upstream: Upstream,
) -> None:
    seen: list[CallEvent] = []
    upstream.plays(Reply.hang())
    answer = cancelled(
        House(upstream, hooks=(seen.append,)), "/v1/chat/completions", dict(CHAT), pieces=0
    )
    assert (answer.status, answer.error["code"]) == (503, "gateway_stopping")
    assert [event.outcome for event in seen] == ["cancelled"]
    assert upstream.sees(lambda: upstream.open_replies == 0)
