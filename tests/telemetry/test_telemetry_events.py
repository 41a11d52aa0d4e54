"""Listeners: told of every event, whatever they do."""

from __future__ import annotations

import asyncio

import pytest

from puna.telemetry.events import CallEvent, HookTasks, notify, run_hooks, wait_for_hooks
from puna.types.report import CallReport

EVENT = CallEvent(CallReport(call_id="c1"), "success")


@pytest.mark.case(173)
def test_every_hook_is_told_although_one_raises(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[CallEvent] = []

    def raising(event: CallEvent) -> None:
        raise RuntimeError(event.outcome)

    assert notify((raising, seen.append), EVENT) == []
    assert seen == [EVENT]
    assert "A hook failed" in caplog.text


@pytest.mark.case(173)
def test_an_async_hook_is_run_to_its_end_for_a_sync_call(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    async def slow(event: CallEvent) -> None:
        await asyncio.sleep(0.01)
        seen.append(event.outcome)

    async def raising(event: CallEvent) -> None:
        await asyncio.sleep(0)
        raise RuntimeError(event.outcome)

    run_hooks(notify((raising, slow), EVENT))
    run_hooks([])
    assert seen == ["success"]
    assert "A hook failed" in caplog.text


@pytest.mark.case(173)
@pytest.mark.anyio
async def test_async_hooks_are_awaited_in_order() -> None:
    seen: list[int] = []

    async def first(_: CallEvent) -> None:
        await asyncio.sleep(0.01)
        seen.append(1)

    async def second(_: CallEvent) -> None:
        await asyncio.sleep(0)
        seen.append(2)

    await wait_for_hooks(notify((first, second), EVENT))
    assert seen == [1, 2]


@pytest.mark.anyio
async def test_a_caller_that_is_cancelled_leaves_no_hook_untold() -> None:
    """A client may leave while the event of its answer is being written."""
    begun, may_end, told = asyncio.Event(), asyncio.Event(), list[str]()

    async def slow(event: CallEvent) -> None:
        begun.set()
        await may_end.wait()
        told.append(f"slow {event.outcome}")

    async def second(event: CallEvent) -> None:
        told.append(f"second {event.outcome}")

    caller = asyncio.create_task(wait_for_hooks(notify((slow, second), EVENT)))
    await begun.wait()
    caller.cancel()
    await asyncio.sleep(0)
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert told == [f"slow {EVENT.outcome}", f"second {EVENT.outcome}"]


@pytest.mark.anyio
async def test_a_caller_that_is_cancelled_twice_waits_for_no_hook() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless(_: CallEvent) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    caller = asyncio.create_task(wait_for_hooks(notify((endless,), EVENT)))
    await begun.wait()
    for _ in range(2):
        caller.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert ended.is_set()


@pytest.mark.anyio
async def test_hooks_beside_the_answer_are_waited_for_a_bounded_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[str] = []
    ended = asyncio.Event()

    async def soon(event: CallEvent) -> None:
        await asyncio.sleep(0)
        heard.append(event.outcome)

    async def broken(_: CallEvent) -> None:
        raise ValueError("a hook's own fault")

    async def endless(_: CallEvent) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    tasks = HookTasks()
    tasks.start([])
    tasks.start(notify((broken, soon), EVENT))
    assert heard == []
    await tasks.close(5)
    assert heard == [EVENT.outcome]
    assert "A hook failed" in caplog.text
    tasks.start(notify((endless,), EVENT))
    await tasks.close(0.01)
    await asyncio.wait_for(ended.wait(), 5)
    assert "Hooks of 1 calls took longer than 0.01 s and were ended" in caplog.text
    await tasks.close(5)  # nothing is left
