"""How the events of a stream leave: those that came together, together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.asgi import CHAT, MODEL, Answer, House

from puna.errors import APIError, StreamInterruptedError
from puna.gateway.answers.sending import until_disconnect
from puna.gateway.requests.body import ClientDisconnected
from puna.transports.replay import AsyncReplayTransport, Recorded

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
BODIES: Mapping[str, Any] = {
    "/v1/chat/completions": {**CHAT, "tools": TOOLS, "stream": True},
    "/v1/messages": {
        "model": MODEL,
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
    },
    "/v1/responses": {"model": MODEL, "input": "hi", "stream": True},
}


def chunk(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: %b\n\n" % json.dumps({**head, "choices": [choice]}).encode()


ROLE = chunk({"role": "assistant", "content": "a"})
TEXTS = [chunk({"content": f"text{number}"}) for number in range(6)]
END = chunk({}, "stop") + b"data: [DONE]\n\n"


def ask(path: str, *pieces: bytes, error: APIError | None = None) -> Answer:
    """The answer to a stream that comes in these pieces."""
    headers = {"content-type": "text/event-stream"}
    recorded = Recorded(200, headers, pieces, error=error)
    return House(transport=AsyncReplayTransport(lambda _: recorded)).ask(path, BODIES[path])


@pytest.mark.parametrize("path", BODIES)
def test_events_that_come_in_one_read_leave_in_one_write(path: str) -> None:
    apart = ask(path, ROLE, *TEXTS, END)
    together = ask(path, ROLE, b"".join(TEXTS), END)
    assert together.text.count("text5") == apart.text.count("text5") > 0
    assert len(apart.pieces) - len(together.pieces) == len(TEXTS) - 1
    assert [piece for piece in together.pieces if b"text0" in piece and b"text5" in piece]


@pytest.mark.parametrize("path", BODIES)
def test_events_that_came_with_a_failure_leave_before_it(path: str) -> None:
    broken = b"data: {broken\n\n"
    answer = ask(path, ROLE, b"".join(TEXTS) + broken)
    assert answer.text.index("text5") < answer.text.rindex("error")
    cut = ask(path, ROLE, b"".join(TEXTS), error=StreamInterruptedError("The host has left."))
    assert cut.text.index("text5") < cut.text.rindex("error")


@pytest.mark.anyio
async def test_work_that_is_cancelled_from_outside_is_cancelled_inside() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    task = asyncio.create_task(until_disconnect(work(), receive))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


@pytest.mark.anyio
async def test_more_of_the_body_is_no_disconnect() -> None:
    messages = iter([{"type": "http.request"}, {"type": "http.disconnect"}])

    async def receive() -> dict[str, Any]:
        return next(messages)

    with pytest.raises(ClientDisconnected):
        await until_disconnect(asyncio.sleep(60), receive)


@pytest.mark.anyio
@pytest.mark.parametrize("says", [TypeError("no message"), None])
async def test_a_client_that_leaves_is_told_apart_from_a_task_that_is_cancelled(
    says: Exception | None,
) -> None:
    """The work runs in the caller's own task: what cancels it there must not count as both."""

    async def receive() -> dict[str, Any]:
        if says is not None:
            raise says
        return {"type": "http.disconnect"}

    async def leave() -> tuple[str, int]:
        task = asyncio.current_task()
        assert task is not None
        try:
            await until_disconnect(asyncio.sleep(60), receive)
        except ClientDisconnected:
            await asyncio.sleep(0)  # nothing is left that would cancel it here
            return "left", task.cancelling()
        return "answered", task.cancelling()

    assert await asyncio.create_task(leave()) == ("left", 0)


@pytest.mark.anyio
async def test_work_that_ends_all_the_same_when_its_client_leaves_gives_its_result() -> None:
    async def work() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "done"
        return "late"

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def ask() -> tuple[str, int]:
        task = asyncio.current_task()
        assert task is not None
        return await until_disconnect(work(), receive), task.cancelling()

    assert await asyncio.create_task(ask()) == ("done", 0)


@pytest.mark.anyio
async def test_a_task_that_is_cancelled_when_its_client_leaves_stays_cancelled() -> None:
    async def receive() -> dict[str, Any]:
        task.cancel()
        return {"type": "http.disconnect"}

    task = asyncio.create_task(until_disconnect(asyncio.sleep(60), receive))
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.anyio
async def test_a_task_that_is_cancelled_with_all_others_has_not_lost_its_client() -> None:
    """As at the end of the loop, which cancels the watch on the client, too."""

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    before = asyncio.all_tasks()
    task = asyncio.create_task(until_disconnect(asyncio.sleep(60), receive))
    await asyncio.sleep(0)
    others = asyncio.all_tasks() - before - {task}
    assert len(others) == 1
    for one in (*others, task):
        one.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
