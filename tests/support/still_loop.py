"""An event loop whose clock stands still until a test moves it.

with asyncio.Runner(loop_factory=StillLoop) as runner: ...
"""

from __future__ import annotations

import asyncio

_TURNS = 40


class StillLoop(asyncio.SelectorEventLoop):
    """Timers end when `pass_time` has moved the clock past them, and never before."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 1_000.0

    def time(self) -> float:
        return self._now_s

    async def pass_time(self, seconds: float, *, step_s: float = 0.25) -> None:
        """Move the clock in steps; after each, what is due runs, and what that brought about."""
        end = self._now_s + seconds
        while self._now_s < end:
            self._now_s = min(end, self._now_s + step_s)
            for _ in range(_TURNS):
                await asyncio.sleep(0)
