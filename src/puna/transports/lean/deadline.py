"""A deadline that mostly moves later, on one timer of the loop."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Final

_TICK_S: Final = 0.001
"""A loop's timers may be early by as much."""


class Deadline:
    """Calls `on_time` when it is reached.

    One that moves later is only noted, and looked at when the timer ends: no request arms or
    cancels a timer unless its limit is shorter than the timer's.
    """

    __slots__ = ("_armed_at", "_at", "_loop", "_on_time", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_time: Callable[[], None]) -> None:
        self._loop = loop
        self._on_time = on_time
        self._at = self._armed_at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, at: float) -> None:
        """To this moment of the loop's clock, infinity for never."""
        self._at = at
        if at < self._armed_at:
            if self._timer is not None:
                self._timer.cancel()
            self._armed_at = at
            self._timer = self._loop.call_at(at, self._look)

    def set_after(self, seconds: float | None) -> None:
        """So long from now; None for never."""
        self.set(math.inf if seconds is None else self._loop.time() + seconds)

    def stop(self) -> None:
        """To never, without a timer."""
        self._at = self._armed_at = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        self._armed_at = math.inf
        if self._loop.time() + _TICK_S < self._at:
            self.set(self._at)
        else:
            self._on_time()
