"""Steps of heavy requests on a thread, so that they do not hold the event loop.

One thread: heavy requests wait for each other, and all others get the interpreter back within its
switch interval (5 ms).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class HeavySteps:
    """Runs heavy parsing steps on one thread. The thread starts with the first step."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="heavy requests")

    async def run(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a step on the thread and return its result.

        The step must not touch the event loop.
        """
        loop = asyncio.get_running_loop()
        made: Callable[[], Any] = partial(step, *args, **kwargs)
        result: T = await loop.run_in_executor(self._threads, made)
        return result

    def close(self) -> None:
        """Start no more steps; does not wait for a running one. Called at shutdown."""
        self._threads.shutdown(wait=False, cancel_futures=True)
