"""A machine with a load, workers and an upstream, and the latency that the model gives it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.simulation import Played, Visit, play, poisson

_LOAD, _UPSTREAM, _FIRST_WORKER = range(3)
_WAYS = 4
_BEFORE = 0.55
"""The part of a worker's time for a request that comes before the upstream is asked."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Core time of a request at each process, and a way from one to another, in µs."""

    gateway_us: float
    upstream_us: float = 0.0
    load_us: float = 0.0
    way_us: float = 0.0

    @property
    def whole_us(self) -> float:
        """Core time of a request, all in all."""
        return self.gateway_us + self.upstream_us + self.load_us

    def visits(self, worker: int) -> list[Visit]:
        """The path of a request by this worker (from 0)."""
        home, way_s = _FIRST_WORKER + worker, self.way_us / 1e6
        load_s, gateway_s = self.load_us / 1e6, self.gateway_us / 1e6
        visits = (
            Visit(_LOAD, load_s / 2, way_s),
            Visit(home, gateway_s * _BEFORE, way_s),
            Visit(_UPSTREAM, self.upstream_us / 1e6, way_s),
            Visit(home, gateway_s * (1 - _BEFORE), way_s),
            Visit(_LOAD, load_s / 2),
        )
        return [visit for visit in visits if visit.core_s or visit.way_s]


PINNED: Sequence[Sequence[int]] = ((1,), (1,), (0,))
"""One worker on the first core; load and upstream on the second."""

SHARED: Sequence[Sequence[int]] = ((1,), (1,), (0, 1), (0, 1))
"""Two workers that may use both cores, one of which load and upstream use as well."""


def own_cores(workers: int) -> list[list[int]]:
    """Each process alone on a core."""
    return [[core] for core in range(_FIRST_WORKER + workers)]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Latency in µs, and how busy each worker is."""

    p50_us: float
    p99_us: float
    busy: list[float]


def predict(
    costs: Costs,
    rate: float,
    homes: Sequence[int],
    cores_of: Sequence[Sequence[int]],
    requests: int,
    seed: int,
) -> Prediction:
    """What so many requests find, at random moments on connections that are asked in turn.

    `homes` has the worker of each connection.
    """
    dice = random.Random(seed)
    paths = [costs.visits(home) for home in homes]
    played: Played = play(
        cores_of, poisson(rate, requests, dice), lambda number: paths[number % len(paths)]
    )
    return Prediction(
        played.latency_s(0.5) * 1e6,
        played.latency_s(0.99) * 1e6,
        [played.busy(process) for process in range(_FIRST_WORKER, len(cores_of))],
    )


@dataclass(frozen=True, slots=True)
class Tail:
    """Time in a worker with a core of its own, as multiples of its core time for a request."""

    busy: float
    p50: float
    p99: float


_FAR_US = 25.0


def tails(requests: int, seed: int) -> list[Tail]:
    """The tails of a worker that is 10, 20, … 90 % busy. They hold for any core time.

    The model takes much longer than the worker, so the two visits to it wait independently.
    """
    costs = Costs(1.0, way_us=_FAR_US)
    ways_us = _WAYS * _FAR_US
    found: list[Tail] = []
    for tenth in range(1, 10):
        said = predict(costs, tenth * 1e5, [0], own_cores(1), requests, seed)
        found.append(Tail(tenth / 10, said.p50_us - ways_us, said.p99_us - ways_us))
    return found


def most_busy_for(p99: float, of: Sequence[Tail]) -> float:
    """How busy a worker may be for a p99 of so many core times; 0 where it cannot be had."""
    return max((tail.busy for tail in of if tail.p99 <= p99), default=0.0)
