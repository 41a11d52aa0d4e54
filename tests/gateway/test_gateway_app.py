"""Clients that leave, hooks, and the life of the application, in this process."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from typing import Any

import pytest
from tests.support.asgi import CHAT, CONFIG, MODEL, Caller, House
from tests.support.upstream import Reply, Upstream

from puna.embedded.supervisor import SupervisorPool
from puna.errors import ServiceUnavailableError
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
