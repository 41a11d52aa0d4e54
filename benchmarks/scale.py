"""What more workers and machines bring: a model fed with one worker's figures, and its check.

One worker is measured alone on its core. From that the model says what the same worker's latency is
at half load, and what two workers carry that share two cores with upstream and load. Both are then
measured in the same run.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from benchmarks.load import run
from benchmarks.processes import cpu_s, rss_mb, upstream
from benchmarks.puna_server import base_url_of, serving, usual_setup
from benchmarks.queueing import mean_wait
from benchmarks.report import Measurement, Row, Section, Settings
from benchmarks.sample import MANY, measure, p50_us, p99_us, rate
from benchmarks.simulation import Load, busiest, simulate, spread
from benchmarks.target import STREAM_CHUNKS, Target

_SEED = 20
_HALF = 0.5
_PLAYED = 100_000
_STREAMS = 400
_PAUSE_MS = 20
_CHUNKS_A_SECOND = 20
"""What a model says, about: the pace for which a thousand streams are reckoned."""


@dataclass(frozen=True, slots=True)
class _One:
    """One worker alone on its core.

    Attributes:
        gateway_us, others_us: core time a request of the gateway, and of upstream and load.
        upstream_us: the answer of the upstream, asked directly.
        stream_mb, chunk_us: memory of an open stream, and core time of a chunk, its stream's
            request included.
    """

    capacity: float
    gateway_us: float
    others_us: float
    upstream_us: float
    p50_us: float
    p99_us: float
    stream_mb: float
    chunk_us: float


def _run(settings: Settings) -> Section:
    seconds = settings.pick(3, 1)
    with upstream() as (pid, port):
        direct = Target("direct", pid, port)
        setup = usual_setup(base_url_of(port))
        settings.say("scale: one worker")
        with serving(setup) as target:
            one = _measure_one(target, direct, seconds)
        settings.say("scale: two workers")
        two = replace(setup, options=("--num_workers", "2"), core=None)
        with serving(two) as target:
            pair = rate(measure(target, target.job(MANY, seconds)))
    return Section(
        title="Scale",
        control="the model's prediction (`benchmarks/simulation.py`, `benchmarks/queueing.py`), "
        "fed with the first four rows",
        how="One worker alone on the first core, closed loop and then Poisson arrivals at half of "
        "its capacity; then two workers that may use both cores, with upstream and load beside "
        f"them: there is no third. Simulated: {_PLAYED:,} requests with constant core times. "
        f"{seconds} s a step, one round.",
        rows=_rows(one, pair),
        notes=_notes(one),
    )


def _measure_one(target: Target, direct: Target, seconds: int) -> _One:
    job = target.job(MANY, seconds)
    others_s = cpu_s(direct.pid)
    full = measure(target, job)
    upstream_us = (cpu_s(direct.pid) - others_s) * 1e6 / full.outcome.requests
    half = measure(target, replace(job, connections=256, rate=_HALF * full.outcome.rate))
    floor = measure(direct, direct.job(1, 1))
    mb, chunk_us = _streams(target)
    return _One(
        capacity=full.outcome.rate,
        gateway_us=full.cpu_us / full.outcome.requests,
        others_us=upstream_us + full.outcome.cpu_us / full.outcome.requests,
        upstream_us=p50_us(floor),
        p50_us=p50_us(half),
        p99_us=p99_us(half),
        stream_mb=mb,
        chunk_us=chunk_us,
    )


def _streams(target: Target) -> tuple[float, float]:
    """MB of an open stream, and core µs of a chunk."""
    before_mb, before_us = rss_mb(target.pid), target.cpu_us()
    job = replace(target.job(_STREAMS), requests=_STREAMS, chunks=STREAM_CHUNKS, pause_ms=_PAUSE_MS)
    outcome = run(job)
    spent_us = target.cpu_us() - before_us
    return (rss_mb(target.pid) - before_mb) / _STREAMS, spent_us / outcome.chunks


def _rows(one: _One, pair: float) -> list[Row]:
    dice = random.Random(_SEED)
    load = Load(_HALF * one.capacity, one.gateway_us / 1e6, one.upstream_us / 1e6)
    played = simulate(load, spread(256, 1, dice), _PLAYED, dice)
    both = 2e6 / (one.gateway_us + one.others_us)
    per_thousand = 1000 * _CHUNKS_A_SECOND * one.chunk_us / 1e6
    return [
        Row("gateway, core µs a request", one.gateway_us),
        Row("upstream and load, core µs a request", one.others_us),
        Row("upstream's answer, µs", one.upstream_us),
        Row("core µs a paced chunk", one.chunk_us, decimals=1),
        Row("requests/s, one worker", one.capacity, 1e6 / one.gateway_us),
        Row("latency p50 µs at half load", one.p50_us, played.latency_s(0.5) * 1e6),
        Row("latency p99 µs at half load", one.p99_us, played.latency_s(0.99) * 1e6),
        Row("requests/s, two workers, all on two cores", pair, both),
        Row(f"cores for 1,000 streams of {_CHUNKS_A_SECOND} chunks/s", per_thousand, decimals=2),
        Row("MB for 1,000 open streams", 1000 * one.stream_mb),
    ]


def _notes(one: _One) -> list[str]:
    dice = random.Random(_SEED)
    wait_us = mean_wait(_HALF * one.capacity, one.gateway_us / 1e6, 0.0) * 1e6
    uneven = ", ".join(
        f"{busiest(connections, workers, 501, dice):.2f} times the mean with {connections} "
        f"connections on {workers} workers"
        for connections, workers in ((64, 4), (256, 4), (1_000, 16))
    )
    left_out = (
        "what the simulation leaves out: reads that come together, pauses of the collector and of "
        "the machine; they make the measured p99 longer"
    )
    return [
        f"by the closed formula a request waits {wait_us:,.0f} µs in the mean at half load",
        left_out,
        f"the busiest worker, where connections are taken at random: {uneven}",
    ]


MEASUREMENT = Measurement("scale", _run)
