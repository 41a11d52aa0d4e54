"""Listeners: told of every event, whatever they do."""

from __future__ import annotations

import asyncio

import pytest

from puna.telemetry.events import CallEvent, notify, run_hooks, wait_for_hooks
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
