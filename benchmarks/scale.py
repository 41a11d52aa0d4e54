"""What more workers bring: a model fed with one worker's figures, and its check.

One worker is measured alone on its core. From that the model says what it carries, and what two
workers carry and how long they take, that share two cores with upstream and load. All of it is
measured in the same run.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from benchmarks.accepting import most_taken
from benchmarks.job import Job
from benchmarks.load import run
from benchmarks.processes import children, cpu_s, machine_cpu_s, peak_mb, rss_mb, upstream
from benchmarks.puna_server import Setup, base_url_of, serving, usual_setup
from benchmarks.report import Measurement, Row, Section, Settings
from benchmarks.sample import MANY, Sample, measure, p50_us, p99_us, rate, share_of_core
from benchmarks.scale_model import PINNED, SHARED, Costs, Prediction, predict
from benchmarks.scale_notes import notes
from benchmarks.simulation import busiest, spread
from benchmarks.target import STREAM_CHUNKS, Target

SEED = 20
PLAYED = 40_000
_HALF = 0.5
_DRAWS = 501
_CONNECTIONS = 256
_MORE = 4
_STREAMS = 400
_PAUSE_MS = 20
_CHUNKS_A_SECOND = 20
"""What a model says, about: the pace for which a thousand streams are reckoned."""


@dataclass(frozen=True, slots=True)
class _Point:
    """A load, what it cost in core time, how busy each worker was, and cores that others took."""

    sample: Sample
    costs: Costs
    busy: list[float]
    others: float


@dataclass(frozen=True, slots=True)
class _Found:
    """The measured points: always busy, and at half of what that brought.

    Attributes:
        uneven: connections at the worker with most, over the mean.
        stream_mb, chunk_us: memory of an open stream, and core time of a chunk, its stream's
            request included.
    """

    full: _Point
    half: _Point
    pair_full: _Point
    pair_half: _Point
    uneven: float
    stream_mb: float
    chunk_us: float


@dataclass(frozen=True, slots=True)
class _Bench:
    """The upstream, and how far it is."""

    upstream: Target
    way_us: float
    seconds: int

    def point(self, target: Target, job: Job) -> _Point:
        """Run a job."""
        workers = children(target.pid) or [target.pid]
        before_s = [cpu_s(pid) for pid in (self.upstream.pid, *workers)]
        all_s = machine_cpu_s()
        sample = measure(target, job)
        all_us = (machine_cpu_s() - all_s) * 1e6
        after_s = [cpu_s(pid) for pid in (self.upstream.pid, *workers)]
        spent_us = [(end - begin) * 1e6 for begin, end in zip(before_s, after_s, strict=True)]
        count, lasted_us = sample.outcome.requests, sample.outcome.seconds * 1e6
        costs = Costs(
            gateway_us=sample.cpu_us / count,
            upstream_us=spent_us[0] / count,
            load_us=sample.outcome.cpu_us / count,
            way_us=self.way_us,
        )
        # Python's own helper process is a child, too, and does nothing.
        busy = sorted((one / lasted_us for one in spent_us[1:]), reverse=True)
        others_us = all_us - count * costs.whole_us
        return _Point(sample, costs, busy, max(0.0, others_us / lasted_us))

    def pair(self, target: Target) -> tuple[_Point, _Point]:
        """Always busy, then half of that on many connections, asked in turn."""
        job = target.job(MANY, self.seconds)
        full = self.point(target, job)
        half_rate = _HALF * rate(full.sample)
        half = replace(job, connections=_CONNECTIONS, rate=half_rate, is_in_turn=True)
        return full, self.point(target, half)


def _run(settings: Settings) -> Section:
    seconds = settings.pick(3, 1)
    with upstream() as (pid, port):
        direct = Target("direct", pid, port)
        bench = _Bench(direct, _way_us(direct), seconds)
        setup = usual_setup(base_url_of(port))
        settings.say("scale: one worker")
        with serving(setup) as target:
            stream_mb, chunk_us = _streams(target)
            full, half = bench.pair(target)
        settings.say("scale: two workers")
        with serving(_with_workers(setup, 2)) as target:
            _wait_for_all(target)
            pair_full, pair_half = bench.pair(target)
        settings.say(f"scale: {_MORE} workers")
        with serving(_with_workers(setup, _MORE)) as target:
            _wait_for_all(target)
            uneven = most_taken(target, _CONNECTIONS, _MORE)
    found = _Found(full, half, pair_full, pair_half, uneven, stream_mb, chunk_us)
    return Section(
        title="Scale",
        control="the model's prediction (`benchmarks/simulation.py`, `benchmarks/queueing.py`), "
        "fed with core times of the rows without one; so the ratio is its error",
        how="One worker alone on the first core, closed loop and then Poisson arrivals at half of "
        f"what that brought, on {_CONNECTIONS} connections asked in turn; then two workers that "
        "may use both cores, with upstream and load on the second: there is no third. Simulated: "
        f"{PLAYED:,} requests with constant core times. {seconds} s a step, one round.",
        rows=_rows(found),
        notes=[_others(full, pair_full), *notes(half.costs.gateway_us, SEED)],
    )


def _with_workers(setup: Setup, count: int) -> Setup:
    return replace(setup, options=("--num_workers", str(count)), core=None)


def _wait_for_all(target: Target) -> None:
    """Let the last worker come up; the first one answers already."""
    run(replace(target.job(MANY, 3)))


def _way_us(direct: Target) -> float:
    """From one process to the next: what of an answer is no core time, by half."""
    before_s = cpu_s(direct.pid)
    sample = measure(direct, direct.job(1, 1))
    core_us = (cpu_s(direct.pid) - before_s) * 1e6 + sample.outcome.cpu_us
    return max(0.0, p50_us(sample) - core_us / sample.outcome.requests) / 2


def _streams(target: Target) -> tuple[float, float]:
    """MB of an open stream, and core µs of a chunk."""
    job = replace(target.job(_STREAMS), chunks=STREAM_CHUNKS, pause_ms=_PAUSE_MS)
    run(replace(job, connections=10, requests=10))
    before_mb, before_us = rss_mb(target.pid), target.cpu_us()
    outcome = run(replace(job, requests=_STREAMS))
    spent_us = target.cpu_us() - before_us
    return (peak_mb(target.pid) - before_mb) / _STREAMS, spent_us / outcome.chunks


def _rows(found: _Found) -> list[Row]:
    full, half, pair = found.full, found.half, found.pair_half
    one = predict(half.costs, rate(half.sample), [0], PINNED, PLAYED, SEED)
    homes = spread(_CONNECTIONS, 2, random.Random(SEED))
    two = predict(half.costs, rate(pair.sample), homes, SHARED, PLAYED, SEED)
    per_thousand = 1000 * _CHUNKS_A_SECOND * found.chunk_us / 1e6
    return [
        Row("always busy: gateway, core µs a request", full.costs.gateway_us),
        Row("always busy: upstream and load, core µs a request", _others_us(full)),
        Row("half load: gateway, core µs a request", half.costs.gateway_us),
        Row("half load: upstream and load, core µs a request", _others_us(half)),
        Row("from one process to the next, µs", full.costs.way_us),
        Row("one worker: requests/s", rate(full.sample), 1e6 / full.costs.gateway_us),
        Row(
            "one worker, half load: busy, %",
            100 * share_of_core(half.sample),
            100 * rate(half.sample) * full.costs.gateway_us / 1e6,
        ),
        *_latency_rows("one worker", half.sample, one),
        Row("two workers: requests/s", rate(found.pair_full.sample), 2e6 / full.costs.whole_us),
        Row(
            "two workers, half load: busy, %",
            100 * sum(pair.busy) / 2,
            100 * sum(two.busy) / 2,
        ),
        *_latency_rows("two workers", pair.sample, two),
        Row(
            "two workers: the busier one's part of the work, %",
            100 * max(pair.busy) / sum(pair.busy),
            100 * max(two.busy) / sum(two.busy),
        ),
        Row(
            f"{_MORE} workers, {_CONNECTIONS} idle connections: the most at one, over the mean",
            found.uneven,
            busiest(_CONNECTIONS, _MORE, _DRAWS, random.Random(SEED)),
            decimals=2,
        ),
        Row("core µs a paced chunk", found.chunk_us, decimals=1),
        Row(f"cores for 1,000 streams of {_CHUNKS_A_SECOND} chunks/s", per_thousand, decimals=2),
        Row("MB for 1,000 open streams", 1000 * found.stream_mb),
    ]


def _latency_rows(who: str, sample: Sample, said: Prediction) -> list[Row]:
    return [
        Row(f"{who}, half load: latency p50 µs", p50_us(sample), said.p50_us),
        Row(f"{who}, half load: latency p99 µs", p99_us(sample), said.p99_us),
    ]


def _others_us(point: _Point) -> float:
    return point.costs.upstream_us + point.costs.load_us


def _others(one: _Point, two: _Point) -> str:
    return (
        f"while one worker was always busy, other work took {one.others:.2f} of the two cores; "
        f"with two workers {two.others:.2f}. The measured figures lack what it took, the model's "
        "do not"
    )


MEASUREMENT = Measurement("scale", _run)
