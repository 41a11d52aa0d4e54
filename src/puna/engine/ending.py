"""Limits how long a stream may stay open after its answer is complete."""

from __future__ import annotations

import math

from puna.engine.clock import Clock


class Ending:
    """The time at which a complete answer ends, though its host has not closed the body."""

    __slots__ = ("_at", "_clock", "_limit_s")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limit_s: float | None = None
        self._at = math.inf

    def limit(self, limit_s: float) -> None:
        """Set the limit to `limit_s` seconds from now, if that is earlier. See `ending_limit_s`."""
        if limit_s != self._limit_s:
            self._limit_s = limit_s
            self._at = min(self._at, self._clock.monotonic() + limit_s)

    @property
    def left_s(self) -> float:
        """The seconds left; 0 or fewer when the time is over."""
        return self._at - self._clock.monotonic()
