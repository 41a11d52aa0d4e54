"""Time and chance, passed in so that tests hold them."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from typing import Protocol


class Clock(Protocol):
    """Where the engine takes time, chance and ids from."""

    def now(self) -> float:
        """Unix time in seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Block the thread."""
        ...

    async def sleep_async(self, seconds: float, /) -> None:
        """Pause the task."""
        ...

    def dice(self) -> float:
        """A number from 0 up to 1."""
        ...

    def make_id(self) -> str:
        """A new unique id in hex."""
        ...


class SystemClock:
    """The real ones."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)
    dice = staticmethod(random.random)

    @staticmethod
    async def sleep_async(seconds: float, /) -> None:
        """Pause the task."""
        await asyncio.sleep(seconds)

    @staticmethod
    def make_id() -> str:
        """A random UUID's 32 hex digits."""
        return uuid.uuid4().hex
