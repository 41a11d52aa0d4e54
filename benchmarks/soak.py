"""A gateway's memory over a million requests and 100,000 streams, one in ten left early.

`python -m benchmarks.soak [--requests N] [--streams N]` or `python -m benchmarks --only soak`. It
takes a quarter of an hour and is in no other run. The load comes in slices; after each the
gateway's memory is read.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.growth import Sample, after_warm_up, growth_of
from benchmarks.job import MENDED, Job
from benchmarks.leavers import Visits, visit
from benchmarks.load import run
from benchmarks.processes import fetch, rss_mb, sockets, upstream
from benchmarks.puna_server import base_url_of, serving, usual_setup
from benchmarks.report import Measurement, Row, Section, Settings, as_markdown
from benchmarks.target import STREAM_CHUNKS, Target
from benchmarks.watched import tasks_of

_SLICES = 40
_WARM_UP = 0.05
_LEFT_EARLY = 0.1
_FULL_LANE = 0.1
_CONNECTIONS = 32
_FEW = 4
_STREAMS_AT_ONCE = 16
_GROWTH_GOAL_MB = 5
_POOL_EMPTIES_S = 60

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Load:
    """How many whole requests and how many streams, of which one in ten is left early."""

    requests: int
    streams: int

    def slice(self) -> Load:
        """One of the parts that it comes in; at least what has tenths."""
        return Load(max(10, self.requests // _SLICES), max(10, self.streams // _SLICES))


@dataclass(frozen=True, slots=True)
class _Held:
    """What a gateway holds while nobody asks it anything."""

    sockets: int
    tasks: list[str]
    upstream_connections: int
    rss_mb: float


def soak(load: Load, say: Say) -> Section:
    """Run it."""
    with tempfile.TemporaryDirectory() as folder, upstream() as (_, port):
        note = Path(folder, "tasks")
        program = (sys.executable, "-m", "benchmarks.watched", str(note))
        with serving(replace(usual_setup(base_url_of(port)), program=program)) as target:
            say("soak: waiting until the first answer's upstream connection is closed")
            before = _held(target, note, port)
            samples = _run(target, load, say)
            say("soak: waiting until the upstream connections are closed")
            after = _held(target, note, port)
    return _section(load, samples, before, after)


def _run(target: Target, load: Load, say: Say) -> list[Sample]:
    """Memory before the load and after each slice."""
    began_at = time.monotonic()
    part = load.slice()
    samples = [Sample(0.0, 0, rss_mb(target.pid))]
    for number in range(_SLICES):
        done = samples[-1].requests + _run_slice(target, part, number)
        samples.append(Sample(time.monotonic() - began_at, done, rss_mb(target.pid)))
        say(
            f"soak: {(number + 1) / _SLICES:4.0%}, {done:,} requests and streams in "
            f"{samples[-1].at_s:,.0f} s, RSS {samples[-1].rss_mb:.1f} MB"
        )
    return samples


def _run_slice(target: Target, part: Load, number: int) -> int:
    """Requests, streams, and streams that are left, all at the same time; gives how many.

    Raises:
        RuntimeError: an answer was wrong.
    """
    leaving = round(part.streams * _LEFT_EARLY)
    in_full_lane = round(part.requests * _FULL_LANE)
    fast = Job(target.port, _CONNECTIONS, target.key, requests=part.requests - in_full_lane)
    full = replace(fast, connections=_FEW, requests=in_full_lane, extra=MENDED)
    streamed = Job(
        target.port,
        _STREAMS_AT_ONCE,
        target.key,
        requests=part.streams - leaving,
        chunks=STREAM_CHUNKS,
    )
    with ThreadPoolExecutor(4) as threads:
        left = threads.submit(visit, Visits(target.port, target.key, leaving, seed=number))
        outcomes = list(threads.map(run, (fast, full, streamed)))
        left.result()
    return leaving + sum(outcome.requests for outcome in outcomes)


def _held(target: Target, note: Path, upstream_port: int) -> _Held:
    """What is there once the pool has closed its unused connections, or had the time to."""
    until = time.monotonic() + _POOL_EMPTIES_S
    while (count := _upstream_connections(upstream_port)) and time.monotonic() < until:
        time.sleep(1)
    return _Held(sockets(target.pid), tasks_of(target.pid, note), count, rss_mb(target.pid))


def _upstream_connections(port: int) -> int:
    """Those that are open, as the upstream sees it."""
    return int(json.loads(fetch(port, "/stats")[1])["open_connections"])


def _section(load: Load, samples: list[Sample], before: _Held, after: _Held) -> Section:
    warm = after_warm_up(samples, _WARM_UP)
    growth = growth_of(warm)
    tasks = Counter(after.tasks) - Counter(before.tasks)
    failures = [f"tasks left: {count} of `{name}`" for name, count in tasks.items()]
    if growth.mb > _GROWTH_GOAL_MB:
        failures.append(f"memory grew by {growth.mb:.1f} MB after the warm-up")
    if after.sockets > before.sockets:
        failures.append(f"{after.sockets - before.sockets} sockets are still open")
    if after.upstream_connections:
        failures.append(f"{after.upstream_connections} upstream connections are still open")
    return Section(
        title="Soak",
        control="the same worker before the load, or for the growth after its warm-up",
        how=f"`puna serve`, one worker; all at once {load.requests:,} requests ({_FULL_LANE:.0%} "
        f"in the full lane) and {load.streams:,} streams of {STREAM_CHUNKS} chunks, "
        f"{_LEFT_EARLY:.0%} of them left in the middle (half of these in the full lane); in "
        f"{_SLICES} slices, with memory (RSS) read after each. The warm-up is the first "
        f"{_WARM_UP:.0%}. Sockets and tasks are counted before the load and after it, when the "
        "upstream's connections have expired.",
        rows=[
            Row("RSS MB at the end", warm[-1].rss_mb, warm[0].rss_mb, decimals=1),
            Row("growth after the warm-up, MB", growth.mb, None, _GROWTH_GOAL_MB, decimals=1),
            Row("slope, bytes a request", growth.bytes_per_request, decimals=1),
            Row("largest RSS MB", growth.peak_mb, before.rss_mb, decimals=1),
            Row("open sockets", after.sockets, before.sockets, before.sockets),
            Row("tasks", len(after.tasks), len(before.tasks), len(before.tasks)),
        ],
        notes=[
            f"{samples[-1].requests:,} requests and streams in {samples[-1].at_s:,.0f} s",
            f"RSS idle {before.rss_mb:.1f} MB before, {after.rss_mb:.1f} MB after",
            "the slope is that of the least-squares line through all slices after the warm-up",
        ],
        failures=failures,
    )


def _run_measurement(settings: Settings) -> Section:
    load = Load(settings.pick(1_000_000, 20_000), settings.pick(100_000, 2_000))
    return soak(load, settings.say)


MEASUREMENT = Measurement("soak", _run_measurement, is_long=True)


def main() -> int:
    """Soak and print. Status 1 when something is left that should not be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--streams", type=int, default=100_000)
    options = parser.parse_args()
    section = soak(Load(options.requests, options.streams), lambda line: print(line, flush=True))
    print(as_markdown(section))
    return int(bool(section.failures))


if __name__ == "__main__":
    sys.exit(main())
