"""Calls that callbacks drive, over the lean transport without sockets: no gateway takes part."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.clock import FakeClock
from tests.support.memory_network import MemoryNetwork, Script, run
from tests.support.upstream import chunk, event, text_chunks, usage_chunk
from typing_extensions import override

from puna.dialects.base import Target
from puna.engine.call import Attempt, Call
from puna.engine.drive import CallDrive, DriveContext, DrivenRun, Exchange
from puna.engine.stream_drive import StreamDrive
from puna.engine.whole_drive import WholeDrive
from puna.errors import APIError, InternalServerError
from puna.routing.attempts import Plan, RetryPolicy
from puna.routing.deployment import Deployment
from puna.routing.health import CooldownPolicy, Health
from puna.telemetry.events import CallEvent, HookTasks
from puna.transports.lean import LeanTransport, ReplySink
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.report import CallReport
from puna.types.requests import ChatRequest

TARGET = Target(provider="meta_llama", model="m", base_url="http://up/v1")
PLAN = Plan(group=[Deployment("one", "llama", TARGET)])
BUSY = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"
ANSWER = json.dumps({"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]})
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER.encode())
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
EVENTS = b"".join(event(one) for one in [*text_chunks(("Hel", "lo")), usage_chunk()])


def stream(events: bytes) -> bytes:
    return HEAD + b"content-length: %d\r\n\r\n%b" % (len(events), events)


class SentRun(DrivenRun):
    """Sends each request as the dialect builds it."""

    transport: LeanTransport
    _sent: Attempt

    @override
    def send(self, deployment: Deployment, sink: ReplySink, /) -> Exchange:
        self._sent = self.prepare(deployment)
        return self.transport.start(self._sent.built.http, sink)

    @property
    @override
    def attempt(self) -> Attempt:
        return self._sent


class Told:
    """Notes what a call gives to its sink."""

    def __init__(self) -> None:
        self.acts: list[str] = []
        self.text = ""
        self.error: APIError | None = None
        self.over = asyncio.Event()

    def _note(self, act: str, error: APIError | None = None) -> None:
        self.acts.append(act)
        self.error = self.error or error
        if act != "fail":
            self.over.set()

    def answer(self, completion: ChatCompletion) -> None:
        self.text = completion.choices[0].message.content or ""
        self._note("answer")

    def refuse(self, error: APIError) -> None:
        self._note("refuse", error)

    def fail(self, error: APIError) -> None:
        self._note("fail", error)

    def end(self, report: CallReport) -> None:
        assert report.duration_s >= 0
        self._note("end")

    def break_off(self, error: APIError) -> None:
        self._note("break_off", error)


class Whole(WholeDrive[SentRun, Told]):
    @override
    def _answer(self, completion: ChatCompletion) -> None:
        self._sink.answer(completion)


class Streamed(StreamDrive[SentRun, Told]):
    @override
    def _emit(self, chunks: Sequence[ChatCompletionChunk]) -> None:
        if not self._has_begun:
            self._begin()
        for one in chunks:
            if one.choices and one.choices[0].delta.content == "crash":
                raise ZeroDivisionError("nobody foresaw it")
            self._sink.text += (one.choices[0].delta.content or "") if one.choices else ""

    @override
    def _emit_end(self) -> None:
        self._sink.acts.append("complete")


class Scene:
    """A call under way, its host, and what was heard of it."""

    def __init__(self, scripts: Sequence[Script | bytes], *, is_stream: bool) -> None:
        loop = asyncio.get_running_loop()
        self.network = MemoryNetwork(scripts)
        self.transport = LeanTransport(dialer=self.network)
        self.told = Told()
        self.events: list[CallEvent] = []
        hooks = (self.events.append,)
        policy = RetryPolicy(max_retries=1, shortest_pause_s=0.5)
        health = Health(CooldownPolicy(is_enabled=False))
        clock = FakeClock()
        request = ChatRequest("llama", ({"role": "user", "content": "Hi"},), is_stream=is_stream)
        sent = SentRun(Call(request, PLAN, policy), health, clock, hooks)
        sent.transport = self.transport
        context = DriveContext(
            loop,
            clock,
            policy,
            health,
            hooks,
            HookTasks(),
            lambda error: InternalServerError(type(error).__name__),
        )
        kind: type[CallDrive[SentRun, Told]] = Streamed if is_stream else Whole
        self.drive = kind(context, sent, self.told)

    async def play(self) -> None:
        """Let it come to its end."""
        self.drive.start()
        async with asyncio.timeout(100):
            await self.told.over.wait()
        await self.close()

    async def close(self) -> None:
        await self.transport.close()


def played(scripts: Sequence[Script | bytes], *, is_stream: bool) -> Scene:
    async def main() -> Scene:
        scene = Scene(scripts, is_stream=is_stream)
        await scene.play()
        return scene

    return run(main())


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_failure_is_tried_again_after_its_pause_and_the_call_is_settled_once(
    is_stream: bool,  # noqa: FBT001 - a parametrised case
) -> None:
    scene = played([BUSY, stream(EVENTS) if is_stream else WHOLE], is_stream=is_stream)
    assert scene.told.text == "Hello"
    assert scene.told.acts == (["complete", "end"] if is_stream else ["answer"])
    (settled,) = scene.events
    assert (settled.outcome, settled.report.retries) == ("success", 1)
    assert settled.report.finish_reason == "stop"


@pytest.mark.parametrize("is_stream", [False, True])
def test_the_last_failure_is_refused(is_stream: bool) -> None:  # noqa: FBT001 - a parametrised case
    scene = played([BUSY, BUSY, WHOLE], is_stream=is_stream)
    assert scene.told.acts == ["refuse"]
    assert [one.outcome for one in scene.events] == ["failure"]
    assert scene.events[0].error is scene.told.error
    assert len(scene.network.requests) == 2


@given(cuts=st.lists(st.integers(0, 900), max_size=5))
@settings(max_examples=60, deadline=None)
def test_a_reply_cut_anywhere_gives_the_same_text(cuts: list[int]) -> None:
    for data, is_stream in ((WHOLE, False), (stream(EVENTS), True)):
        marks = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
        pieces = [data[a:b] for a, b in pairwise(marks) if a < b]
        scene = played([pieces], is_stream=is_stream)
        assert (scene.told.text, len(scene.events)) == ("Hello", 1)


def test_a_stream_that_breaks_before_its_first_chunk_is_tried_again_and_later_not() -> None:
    first = event(chunk({"content": "Hel"}))
    head = HEAD + b"content-length: 9999\r\n\r\n"
    again = played([(head, "reset"), stream(EVENTS)], is_stream=True)
    assert (again.told.acts, again.told.text) == (["complete", "end"], "Hello")
    broken = played([(head + first, "reset"), stream(EVENTS)], is_stream=True)
    assert (broken.told.acts, broken.told.text) == (["fail", "end"], "Hel")
    assert [one.outcome for one in broken.events] == ["failure"]
    assert len(broken.network.requests) == 1


def test_a_host_that_never_ends_its_body_holds_nobody() -> None:
    endless = HEAD + b"content-length: 9999\r\n\r\n" + EVENTS
    scene = played([endless], is_stream=True)
    assert (scene.told.acts, scene.told.text) == (["complete", "end"], "Hello")
    assert [one.is_closed for one in scene.network.lines] == [True]


def test_what_nobody_foresaw_ends_the_call_and_cuts_its_host(
    caplog: pytest.LogCaptureFixture,
) -> None:
    crash = HEAD + b"content-length: 9999\r\n\r\n" + event(chunk({"content": "crash"}))
    scene = played([crash], is_stream=True)
    assert scene.told.acts == ["break_off"]
    assert str(scene.told.error) == "ZeroDivisionError"
    assert [one.outcome for one in scene.events] == ["failure"]
    assert "A call failed" in caplog.text


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("answer", [b"", BUSY, HEAD, stream(EVENTS)[:-40], WHOLE[:-1]])
def test_a_client_that_leaves_at_any_time_ends_the_call_without_a_word(
    answer: bytes,
    is_stream: bool,  # noqa: FBT001 - a parametrised case
) -> None:
    async def main() -> tuple[Any, Scene]:
        scene = Scene([answer], is_stream=is_stream)
        scene.drive.start()
        for _ in range(20):
            await asyncio.sleep(0)
        scene.drive.client_left()
        await asyncio.sleep(10)
        await scene.close()
        return [one.outcome for one in scene.events], scene

    outcomes, scene = run(main())
    assert (outcomes, scene.told.acts) == (["cancelled"], [])
    assert len(scene.network.requests) == 1
