"""An open loop: requests at random moments that were fixed before, whether answers come or not.

Latency counts from the moment that a request was due. So a server that stalls is charged for all
that would have been asked meanwhile, and the load cannot hide a stall by asking less.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import deque

from benchmarks.asker import Asker
from benchmarks.job import Job, Outcome

SEED = 2611
_AHEAD_S = 0.05
_SOON_S = 20e-6  # a request that is due so soon goes at once: an alarm takes as long


def moments(rate: float, seconds: float, dice: random.Random) -> list[float]:
    """Moments of a Poisson process, in seconds from its begin: so many a second, for so long."""
    found: list[float] = []
    at = dice.expovariate(rate)
    while at < seconds:
        found.append(at)
        at += dice.expovariate(rate)
    return found


class OpenLoop:
    """Sends each request when it is due, on the connection that fell idle last, or first.

    Where all are busy it waits for one, and its waiting counts. The loop's own timers know whole
    milliseconds only, so an alarm of the kernel wakes it.
    """

    def __init__(self, job: Job, outcome: Outcome) -> None:
        self._job = job
        self._outcome = outcome
        self._idle: deque[Asker] = deque()
        self._due: deque[float] = deque()
        self._waiting: deque[float] = deque()
        self._owed = 0
        self.done = asyncio.Event()

    def begin(self, askers: list[Asker]) -> None:
        """Draw the moments and wait for the first."""
        drawn = moments(self._job.rate, self._job.seconds or 0.0, random.Random(SEED))
        begins_at = time.perf_counter() + _AHEAD_S
        self._due.extend(begins_at + at for at in drawn)
        self._owed = len(drawn)
        self._idle.extend(askers)
        asyncio.get_running_loop().add_signal_handler(signal.SIGALRM, self._send)
        self._send()

    def answered(self, asker: Asker, now: float) -> None:
        """One has its answer, and may take what waits."""
        self._owed -= 1
        if not self._owed:
            self.done.set()
        if self._waiting:
            self._ask(asker, self._waiting.popleft(), now)
        else:
            self._idle.append(asker)

    def _send(self) -> None:
        while self._due:
            now = time.perf_counter()
            if self._due[0] > now + _SOON_S:
                signal.setitimer(signal.ITIMER_REAL, self._due[0] - now)
                return
            self._take(self._due.popleft(), now)

    def _take(self, due_at: float, now: float) -> None:
        while self._idle:
            asker = self._idle.popleft() if self._job.is_in_turn else self._idle.pop()
            if asker.is_open:
                self._ask(asker, due_at, now)
                return
        self._waiting.append(due_at)

    def _ask(self, asker: Asker, due_at: float, now: float) -> None:
        self._outcome.lates_us.append((now - due_at) * 1e6)
        asker.ask(due_at)
