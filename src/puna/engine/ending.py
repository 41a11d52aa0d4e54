"""When an answer ends whose host does not say so."""

from __future__ import annotations

import math

from puna.engine.clock import Clock


class Ending:
    """The moment at which a finished answer ends, whatever still comes."""

    __slots__ = ("_at", "_clock", "_limit_s")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limit_s: float | None = None
        self._at = math.inf

    def limit(self, limit_s: float) -> None:
        """Note `Delivery.ending_s`; a shorter one counts from now on."""
        if limit_s != self._limit_s:
            self._limit_s = limit_s
            self._at = min(self._at, self._clock.monotonic() + limit_s)

    @property
    def left_s(self) -> float:
        """The seconds until then, none or fewer when it has passed."""
        return self._at - self._clock.monotonic()
