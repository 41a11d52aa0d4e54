"""A clock that moves only when somebody sleeps, with seeded dice and counted ids."""

from __future__ import annotations

import random


class FakeClock:
    """For `puna.engine.clock.Clock`. `sleeps` holds every pause in seconds, in order."""

    def __init__(self, *, now: float = 1_750_000_000.0, seed: int = 0) -> None:
        self.sleeps: list[float] = []
        self._began_at = now
        self._passed_s = 0.0
        self._dice = random.Random(seed)  # noqa: S311 - chance of tests, not of keys
        self._ids = 0

    def now(self) -> float:
        """Unix time in seconds."""
        return self._began_at + self._passed_s

    def monotonic(self) -> float:
        """Seconds since the clock was made, plus 1000."""
        return 1_000.0 + self._passed_s

    def pass_time(self, seconds: float) -> None:
        """Let time pass without anybody sleeping."""
        self._passed_s += seconds

    def sleep(self, seconds: float, /) -> None:
        """Sleep at once."""
        self.sleeps.append(seconds)
        self._passed_s += seconds

    async def sleep_async(self, seconds: float, /) -> None:
        """Sleep at once."""
        self.sleep(seconds)

    def dice(self) -> float:
        """A number from 0 up to 1, the same series for the same seed."""
        return self._dice.random()

    def make_id(self) -> str:
        """The next number as 32 hex digits."""
        self._ids += 1
        return f"{self._ids:032x}"
