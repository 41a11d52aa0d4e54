"""Workers behind one port, as events in virtual time: no socket, no clock, one seed.

A request needs its worker's core twice, before and behind the upstream's answer, and waits in the
worker's own queue: a connection stays with the worker that took it.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.job import quantile


@dataclass(frozen=True, slots=True)
class Load:
    """What comes, and what it costs.

    Attributes:
        rate: requests a second, at random moments.
        service_s: core time of a request, all in all.
        upstream_s: from the request's leaving to the answer's coming.
        first_share: the part of the core time that is spent before the upstream is asked.
    """

    rate: float
    service_s: float
    upstream_s: float
    first_share: float = 0.55


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a simulation found: sorted latencies in seconds, and how busy each worker was."""

    latencies_s: list[float]
    busy: list[float]

    def latency_s(self, share: float) -> float:
        """The latency that this share of the requests stays under."""
        return quantile(self.latencies_s, share)


def spread(connections: int, workers: int, dice: random.Random) -> list[int]:
    """Which worker has which connection, when each is taken by whoever wakes first."""
    return [dice.randrange(workers) for _ in range(connections)]


def simulate(
    load: Load,
    homes: Sequence[int],
    requests: int,
    dice: random.Random,
    vary: Callable[[float], float] = lambda mean: mean,
) -> Predicted:
    """Play so many requests on connections whose workers are `homes`.

    `vary` draws a service time from its mean; the default are constant ones.
    """
    workers = max(homes) + 1
    free_at = [0.0] * workers
    worked = [0.0] * workers
    # A visit to a worker: when, a number that breaks ties, worker, core time, and when its request
    # came, for the last visit, or None for the first.
    visits: list[tuple[float, int, int, float, float | None]] = []
    at = 0.0
    for number in range(requests):
        at += dice.expovariate(load.rate)
        first_s = vary(load.service_s) * load.first_share
        heapq.heappush(visits, (at, number, dice.choice(homes), first_s, None))
    latencies: list[float] = []
    while visits:
        comes_at, number, worker, core_s, came_at = heapq.heappop(visits)
        begins_at = max(comes_at, free_at[worker])
        free_at[worker] = ends_at = begins_at + core_s
        worked[worker] += core_s
        if came_at is None and load.first_share == 1:
            latencies.append(ends_at + load.upstream_s - comes_at)
        elif came_at is None:
            rest_s = vary(load.service_s) * (1 - load.first_share)
            answered_at = ends_at + load.upstream_s
            heapq.heappush(visits, (answered_at, number, worker, rest_s, comes_at))
        else:
            latencies.append(ends_at - came_at)
    latencies.sort()
    return Predicted(latencies, [core_s / max(free_at) for core_s in worked])


def busiest(connections: int, workers: int, rounds: int, dice: random.Random) -> float:
    """How much busier than the mean the busiest worker is, middle of so many draws.

    Connections are taken at random and are equally busy.
    """
    found: list[float] = []
    for _ in range(rounds):
        counts = [0] * workers
        for home in spread(connections, workers, dice):
            counts[home] += 1
        found.append(max(counts) * workers / connections)
    return sorted(found)[rounds // 2]
