"""Long steps run on a thread, short ones at once; both give what they return or raise."""

from __future__ import annotations

import asyncio
import threading

import pytest

from puna.engine.aside import run_step


def where(text: str, *, fails: bool = False) -> tuple[str, int]:
    if fails:
        raise ValueError(text)
    return text, threading.get_ident()


@pytest.mark.parametrize("is_long", [False, True])
def test_a_long_step_leaves_the_thread_of_the_loop(*, is_long: bool) -> None:
    text, thread = asyncio.run(run_step(is_long, where, "done"))
    assert text == "done"
    assert (thread != threading.get_ident()) is is_long


@pytest.mark.parametrize("is_long", [False, True])
def test_what_a_step_raises_reaches_who_waits(*, is_long: bool) -> None:
    with pytest.raises(ValueError, match="no"):
        asyncio.run(run_step(is_long, where, "no", fails=True))


def test_others_go_on_while_a_long_step_runs() -> None:
    async def run() -> bool:
        is_free = threading.Event()
        step = asyncio.ensure_future(run_step(True, is_free.wait, 30.0))
        await asyncio.sleep(0)
        is_free.set()  # only a loop that goes on comes here
        return await step

    assert asyncio.run(run())
