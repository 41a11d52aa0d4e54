"""Processes on cores, as events in virtual time: no socket, no clock, one seed.

A request visits processes one after the other. A process makes one visit after the other, in the
order in which they came, and needs a core for each; of the processes that wait for a core, the one
whose visit came first gets it. So a machine where everything shares two cores can be played, and
one where each process has its own.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.job import quantile


@dataclass(frozen=True, slots=True)
class Visit:
    """A stay at a process: its core time, and how long the way to the next one takes."""

    process: int
    core_s: float
    way_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Played:
    """What was found.

    Attributes:
        latencies_s: from a request's coming to its end, sorted.
        worked_s: the core time of each process.
        lasted_s: until the last one ended.
    """

    latencies_s: list[float]
    worked_s: list[float]
    lasted_s: float

    def latency_s(self, share: float) -> float:
        """The latency that this share of the requests stays under."""
        return quantile(self.latencies_s, share)

    def busy(self, process: int) -> float:
        """The part of the time that a process worked."""
        return self.worked_s[process] / self.lasted_s


PathOf = Callable[[int], Sequence[Visit]]
"""The visits of a request, by its number; asked at the moment that it comes."""


def _nobody(_: int) -> None:
    """Nobody wants to know that a request has ended."""


def play(
    cores_of: Sequence[Sequence[int]],
    arrivals: Iterable[float],
    path_of: PathOf,
    ended: Callable[[int], None] = _nobody,
) -> Played:
    """Play requests that come at these moments, in order.

    `cores_of` says which cores each process may use; `ended` is told of each request's end.
    """
    return _Play(cores_of, path_of, ended).run(arrivals)


class _Play:
    def __init__(
        self, cores_of: Sequence[Sequence[int]], path_of: PathOf, ended: Callable[[int], None]
    ) -> None:
        self._cores_of = cores_of
        self._path_of = path_of
        self._ended = ended
        cores = {core for ones in cores_of for core in ones}
        self._users = {
            core: [p for p, ones in enumerate(cores_of) if core in ones] for core in cores
        }
        self._is_idle = dict.fromkeys(cores, True)
        self._waiting: list[deque[tuple[float, int]]] = [deque() for _ in cores_of]
        self._is_running = [False] * len(cores_of)
        self._worked_s = [0.0] * len(cores_of)
        # What comes: when, a number that breaks ties, the request, and the core that it leaves, or
        # None where it comes to its next process.
        self._events: list[tuple[float, int, int, int | None]] = []
        self._order = 0
        self._left: dict[int, deque[Visit]] = {}
        self._came_at: dict[int, float] = {}
        self._latencies: list[float] = []

    def run(self, arrivals: Iterable[float]) -> Played:
        now = 0.0
        coming = iter(enumerate(arrivals))
        following = next(coming, None)
        while self._events or following is not None:
            if following is not None and (not self._events or following[1] <= self._events[0][0]):
                request, now = following
                following = next(coming, None)
                self._came_at[request] = now
                self._left[request] = deque(self._path_of(request))
                self._come(request, now)
                continue
            now, _, request, core = heapq.heappop(self._events)
            if core is None:
                self._come(request, now)
            else:
                self._leave(request, core, now)
        return Played(sorted(self._latencies), self._worked_s, now)

    def _come(self, request: int, now: float) -> None:
        process = self._left[request][0].process
        self._waiting[process].append((now, request))
        if not self._is_running[process]:
            core = next((one for one in self._cores_of[process] if self._is_idle[one]), None)
            if core is not None:
                self._begin(process, core, now)

    def _begin(self, process: int, core: int, now: float) -> None:
        _, request = self._waiting[process].popleft()
        self._is_running[process] = True
        self._is_idle[core] = False
        core_s = self._left[request][0].core_s
        self._worked_s[process] += core_s
        self._tell(now + core_s, request, core)

    def _leave(self, request: int, core: int, now: float) -> None:
        left = self._left[request]
        visit = left.popleft()
        self._is_running[visit.process] = False
        self._is_idle[core] = True
        if left:
            self._tell(now + visit.way_s, request, None)
        else:
            del self._left[request]
            self._latencies.append(now + visit.way_s - self._came_at.pop(request))
            self._ended(request)
        # The core goes on, and the process may find another one idle.
        for free in {core, *self._cores_of[visit.process]}:
            if self._is_idle[free]:
                self._pass_on(free, now)

    def _pass_on(self, core: int, now: float) -> None:
        ready = [
            (self._waiting[process][0], process)
            for process in self._users[core]
            if self._waiting[process] and not self._is_running[process]
        ]
        if ready:
            self._begin(min(ready)[1], core, now)

    def _tell(self, at: float, request: int, core: int | None) -> None:
        self._order += 1
        heapq.heappush(self._events, (at, self._order, request, core))


def poisson(rate: float, count: int, dice: random.Random) -> Iterable[float]:
    """So many moments, so many a second, in seconds."""
    at = 0.0
    for _ in range(count):
        at += dice.expovariate(rate)
        yield at


def spread(connections: int, workers: int, dice: random.Random) -> list[int]:
    """Which worker has which connection, when each is taken by any of them."""
    return [dice.randrange(workers) for _ in range(connections)]


def busiest(connections: int, workers: int, rounds: int, dice: random.Random) -> float:
    """How much busier than the mean the busiest worker is, middle of so many draws.

    Connections are taken by any worker, and are equally busy.
    """
    found: list[float] = []
    for _ in range(rounds):
        homes = spread(connections, workers, dice)
        found.append(max(map(homes.count, range(workers))) * workers / connections)
    return sorted(found)[rounds // 2]
