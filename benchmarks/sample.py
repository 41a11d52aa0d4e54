"""One job on one server with the server's own CPU time, and the figures drawn from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.job import Job, Outcome
from benchmarks.load import run
from benchmarks.target import Target

MANY = 64
"""Connections that keep a gateway always busy."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What came of a job, and the CPU time that its server spent meanwhile."""

    outcome: Outcome
    cpu_us: float


Figure = Callable[[Sample], float]
Runs = Mapping[tuple[str, str], Sequence[Sample]]
"""The samples of each round, by the target's name and the step's."""


def measure(target: Target, job: Job) -> Sample:
    """Run a job on a target."""
    before_us = target.cpu_us()
    outcome = run(job)
    return Sample(outcome, target.cpu_us() - before_us)


def middle(samples: Sequence[Sample], figure: Figure) -> float:
    """The median of a figure."""
    return median(figure(one) for one in samples)


def rate(sample: Sample) -> float:
    """Requests a second."""
    return sample.outcome.rate


def chunk_rate(sample: Sample) -> float:
    """Chunks a second."""
    return sample.outcome.chunks / sample.outcome.seconds


def cpu_us_per_request(sample: Sample) -> float:
    """The server's CPU µs a request."""
    return sample.cpu_us / sample.outcome.requests


def cpu_us_per_chunk(sample: Sample) -> float:
    """The server's CPU µs a chunk, its stream's request included."""
    return sample.cpu_us / sample.outcome.chunks


def rate_per_core(sample: Sample) -> float:
    """Requests for each second of the server's CPU time: what a whole core would do."""
    return 1e6 / cpu_us_per_request(sample)


def share_of_core(sample: Sample) -> float:
    """The part of the time that the server ran."""
    return sample.cpu_us / (sample.outcome.seconds * 1e6)


def p50_us(sample: Sample) -> float:
    """The middle latency."""
    return sample.outcome.latency_us(0.5)


def p99_us(sample: Sample) -> float:
    """The latency that 99 of 100 requests stay under."""
    return sample.outcome.latency_us(0.99)
