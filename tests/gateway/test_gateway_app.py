"""Clients that leave, hooks, and the life of the application, in this process."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from typing import Any

import pytest
from tests.support.asgi import CHAT, CONFIG, MODEL, Caller, House
from tests.support.clock import FakeClock
from tests.support.upstream import Reply, Upstream

from puna.embedded.supervisor import SupervisorPool
from puna.errors import ServiceUnavailableError
from puna.gateway.answers.sending import until_disconnect
from puna.gateway.logs.access_log import AccessLog
from puna.gateway.requests.body import ClientDisconnected
from puna.gateway.visit import Visit, Visits
from puna.telemetry.events import CallEvent

STREAM = {**CHAT, "stream": True}


class Notes:
    """A hook that keeps what it was told."""

    def __init__(self) -> None:
        self.events: list[CallEvent] = []

    def __call__(self, event: CallEvent) -> None:
        self.events.append(event)

    @property
    def outcomes(self) -> list[str]:
        return [event.outcome for event in self.events]


@pytest.mark.case(126)
def test_a_client_that_leaves_a_stream_closes_the_upstream(upstream: Upstream) -> None:
    upstream.plays(Reply.endless())
    notes = Notes()
    answer = House(upstream, hooks=(notes,)).ask(body=STREAM, leaves_after=3)
    assert answer.status == 200
    assert upstream.sees(lambda: upstream.disconnects == 1, within_s=1)
    assert notes.outcomes == ["cancelled"]
    assert notes.events[0].report.completion_tokens > 0


@pytest.mark.case(126)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_before_the_answer_closes_the_upstream(
    upstream: Upstream,
    path: str,
    stream: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    upstream.plays(Reply.hang())
    notes = Notes()
    house = House(upstream, hooks=(notes,))

    async def leave() -> Caller:
        caller = Caller("POST", path, {**CHAT, "prompt": "a", "stream": stream})
        task = asyncio.create_task(caller.call(house.app))
        while not upstream.requests:  # noqa: ASYNC110 - another thread notes them
            await asyncio.sleep(0.01)
        caller.leave()
        await task
        return caller

    caller = asyncio.run(leave())
    assert caller.answer.status == 0
    assert upstream.sees(lambda: upstream.disconnects == 1, within_s=1)
    assert notes.outcomes == ["cancelled"]


def test_a_client_that_leaves_within_its_body_is_no_failure(
    upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    house = House(upstream)

    async def leave() -> None:
        caller = Caller("POST", "/v1/chat/completions", pieces=[])
        caller.leave()
        await caller.call(house.app)

    asyncio.run(leave())
    assert "POST /v1/chat/completions 499" in caplog.text
    assert upstream.requests == []


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


@pytest.mark.anyio
async def test_lines_of_requests_wait_for_each_other_and_are_written_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    log, clock = AccessLog(), FakeClock()
    visits = Visits(None, log, (), clock)
    log.open(asyncio.get_running_loop())

    def answered(line: str, status: int) -> None:
        visit = Visit(visits, line, "id", clock.monotonic(), clock.now())
        clock.sleep(status / 100_000)
        visit.close(status)

    answered("GET /a", 200)
    answered("POST /b", 404)
    assert caplog.messages == []
    log.close()
    assert caplog.messages == ["GET /a 200 2.0 ms", "POST /b 404 4.0 ms"]
    answered("GET /c", 300)
    assert caplog.messages[2:] == ["GET /c 300 3.0 ms"]


@pytest.mark.case(173)
def test_each_call_is_told_to_the_hooks_once(upstream: Upstream) -> None:
    sync, later = Notes(), Notes()

    async def note(event: CallEvent) -> None:
        await asyncio.sleep(0)
        later(event)

    config = CONFIG + "    model_info: {input_cost_per_token: 0.001}\n"
    house = House(upstream, config, hooks=(sync, note))
    house.ask(body={**CHAT, "metadata": {"team": "a"}}, headers={"x-litellm-call-id": "one"})
    house.ask(body=STREAM)
    upstream.plays(Reply.error(400))
    house.ask()
    house.ask("/v1/completions", {"model": MODEL, "prompt": "a"})
    for notes in (sync, later):
        assert notes.outcomes == ["success", "success", "failure", "success"]
    first = sync.events[0]
    assert first.report.call_id == "one"
    assert first.metadata == {"team": "a", "key_id": "anyone"}
    assert (first.report.prompt_tokens, first.report.completion_tokens) == (11, 4)
    assert first.report.cost_picos == 11 * 10**9
    assert first.report.started_at > 0
    assert sync.events[1].is_stream


@pytest.mark.case(173)
def test_a_hook_that_raises_does_not_break_the_call(
    upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: CallEvent) -> None:
        raise ValueError(event.outcome)

    answer = House(upstream, hooks=(broken,)).ask()
    assert answer.status == 200
    assert "A hook failed" in caplog.text


class Broken:
    """A supervisor whose model does not start."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.is_stopped = False

    def ensure_running(self) -> None:
        raise ServiceUnavailableError("the engine does not run here")

    def stop(self) -> None:
        self.is_stopped = True


@pytest.mark.anyio
async def test_the_application_starts_without_its_embedded_model_and_ends_in_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made: list[Broken] = []

    def make(model: str) -> Any:
        made.append(Broken(model))
        return made[-1]

    pool = SupervisorPool(make)
    config = "model_list: [{model_name: e, litellm_params: {model: embedded/smollm2-135m}}]"
    app = House(config=config, pool=pool).app
    steps = iter(["lifespan.startup", "lifespan.shutdown"])
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": next(steps)}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    await app({"type": "websocket"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert "does not start: the engine does not run here" in caplog.text
    assert made[0].is_stopped


def test_importing_the_gateway_opens_nothing() -> None:
    code = "import puna.gateway.app, sys; assert 'uvicorn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
