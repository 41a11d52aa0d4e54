"""The source of time, randomness and ids. It is passed in, so that tests control it."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """The engine's source of time, randomness and ids."""

    def now(self) -> float:
        """Unix time in seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Wait by blocking the thread."""
        ...

    async def sleep_async(self, seconds: float, /) -> None:
        """Wait in an asyncio task."""
        ...

    def dice(self) -> float:
        """A random number from 0 up to 1."""
        ...

    def make_id(self) -> str:
        """A new unique id in hex."""
        ...


class SystemClock:
    """The system's time, sleep and random numbers."""

    def __init__(self) -> None:
        # Of the instance, which is read faster than what a class has: each call asks for the time.
        self.now: Callable[[], float] = time.time
        self.monotonic: Callable[[], float] = time.monotonic
        self.sleep: Callable[[float], None] = time.sleep
        self.dice: Callable[[], float] = random.random

    @staticmethod
    async def sleep_async(seconds: float, /) -> None:
        """Pause the task."""
        await asyncio.sleep(seconds)

    @staticmethod
    def make_id() -> str:
        """A random UUID's 32 hex digits (RFC 9562, version 4), as `uuid.uuid4().hex` has them."""
        digits = bytearray(os.urandom(16))
        digits[6] = digits[6] & 0x0F | 0x40
        digits[8] = digits[8] & 0x3F | 0x80
        return digits.hex()
