"""A deadline that is moved often, on one timer of the event loop."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Final

_TICK_S: Final = 0.001
"""A loop's timers may be early by as much."""


class Deadline:
    """Calls `on_time` when a time is reached that is often moved.

    It uses one timer of the event loop.

    Moving the deadline later only stores the new time, which is checked when the timer fires. So a
    request arms or cancels a timer only if its deadline is earlier than the armed one.
    """

    __slots__ = ("_armed_at", "_at", "_loop", "_on_time", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_time: Callable[[], None]) -> None:
        self._loop = loop
        self._on_time = on_time
        self._at = self._armed_at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, at: float) -> None:
        """Move the deadline to `at`, in the loop's time; infinity means never."""
        self._at = at
        if at < self._armed_at:
            if self._timer is not None:
                self._timer.cancel()
            self._armed_at = at
            self._timer = self._loop.call_at(at, self._timer_fired)

    def set_after(self, seconds: float | None) -> None:
        """Move the deadline to `seconds` from now; None means never."""
        self.set(math.inf if seconds is None else self._loop.time() + seconds)

    def stop(self) -> None:
        """Never call, and cancel the timer."""
        self._at = self._armed_at = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _timer_fired(self) -> None:
        """Call `on_time`, or arm the timer again if the deadline was moved later."""
        self._timer = None
        self._armed_at = math.inf
        if self._loop.time() + _TICK_S < self._at:
            self.set(self._at)
        else:
            self._on_time()
