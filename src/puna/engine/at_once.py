"""Several calls for one answer, a few of them at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

CallT = TypeVar("CallT")
AnswerT = TypeVar("AnswerT")

_AT_ONCE = 8


async def ask_all(
    ask: Callable[[CallT], Coroutine[Any, Any, AnswerT]], calls: Sequence[CallT]
) -> list[AnswerT]:
    """Make several calls with `ask`, a few at a time.

    Returns the answers in the order of the calls.

    The first failure is raised and cancels the others. For calls that one request is split into.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def ask_one(call: CallT) -> AnswerT:
        """Make one call when there is room for it."""
        async with gate:
            return await ask(call)

    if len(calls) == 1:
        return [await ask(calls[0])]
    tasks = [asyncio.ensure_future(ask_one(call)) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        # Each has settled its call before who asked goes on.
        await asyncio.gather(*tasks, return_exceptions=True)
