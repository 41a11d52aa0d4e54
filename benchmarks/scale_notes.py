"""What the model says beyond the measured points: tails, uneven workers, how many are needed."""

from __future__ import annotations

import random
from collections.abc import Sequence

from benchmarks.queueing import mean_wait, mean_wait_shared, workers_for
from benchmarks.scale_model import Tail, most_busy_for, tails
from benchmarks.simulation import busiest

_PLAYED = 10_000
_DRAWS = 501
_WORKERS = 4
_LEFT_OUT = (
    "what the simulation leaves out: reads that come together (so a busy worker needs less core "
    "time than one half busy), pauses of the collector, and whatever else the machine does; the "
    "measured p99 is longer for it"
)
_RATE = 10_000
_SHOWN = (0.3, 0.5, 0.7, 0.9)


def notes(core_us: float, seed: int) -> list[str]:
    """Sentences for the page; `core_us` is a worker's core time of a request."""
    of = tails(_PLAYED, seed)
    return [
        _multiples(of),
        _targets(core_us, of),
        _uneven(seed),
        _queues(core_us),
        _LEFT_OUT,
    ]


def _multiples(of: Sequence[Tail]) -> str:
    shown = (
        f"{tail.p50:.1f} and {tail.p99:.1f} when {tail.busy:.0%} busy"
        for tail in of
        if tail.busy in _SHOWN
    )
    return (
        "time in a worker with a core of its own, p50 and p99, as multiples of its core time: "
        + ", ".join(shown)
    )


def _targets(core_us: float, of: Sequence[Tail]) -> str:
    found: list[str] = []
    for added_ms in (1.0, 2.0, 5.0):
        busy = most_busy_for(added_ms * 1000 / core_us, of)
        if busy:
            count = workers_for(_RATE, core_us / 1e6, busy)
            found.append(f"{added_ms:g} ms: {count} workers, each {busy:.0%} busy at most")
        else:
            found.append(f"{added_ms:g} ms: not to be had")
    return (
        f"{_RATE:,} requests/s on cores of their own, for a p99 of the time in the worker of at "
        "most " + "; ".join(found)
    )


def _uneven(seed: int) -> str:
    dice = random.Random(seed)
    found = (
        f"{busiest(connections, workers, _DRAWS, dice):.2f} times the mean with {connections:,} "
        f"connections on {workers} workers"
        for connections, workers in ((64, 4), (256, 4), (1_000, 16))
    )
    return "the busiest worker, where any may take a connection: " + ", ".join(found)


def _queues(core_us: float) -> str:
    core_s = core_us / 1e6
    own_us = mean_wait(0.5 / core_s, core_s) * 1e6
    shared_us = mean_wait_shared(_WORKERS * 0.5 / core_s, core_s, _WORKERS) * 1e6
    return (
        f"{_WORKERS} workers that are half busy, with core times that vary (exponential): a "
        f"request waits {own_us:,.0f} µs in the mean in its worker's own queue; in one queue for "
        f"all it would be {shared_us:,.0f} µs"
    )
