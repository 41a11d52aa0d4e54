"""The gateway under load: requests a second, CPU a request and a chunk, added latency."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.load import Job, Outcome, run
from benchmarks.processes import cpu_s, fetch
from benchmarks.report import Measurement, Row, Section, Settings
from benchmarks.targets import STREAM_CHUNKS, Target, all_targets

_FEW = 8
_MANY = 64
_STREAMS = 16
_SIZES = {"16 KB": 16 * 1024, "256 KB": 256 * 1024}


@dataclass(frozen=True, slots=True)
class _Result:
    """One job on one target, with the target's own CPU time."""

    outcome: Outcome
    cpu_us: float


_Runs = dict[tuple[str, str], list[_Result]]
_Figure = Callable[[_Result], float]


def _rate(result: _Result) -> float:
    return result.outcome.rate


def _cpu_us_per_request(result: _Result) -> float:
    return result.cpu_us / result.outcome.requests


def _cpu_us_per_chunk(result: _Result) -> float:
    return result.cpu_us / result.outcome.chunks


def _chunk_rate(result: _Result) -> float:
    return result.outcome.chunks / result.outcome.seconds


def _p50_us(result: _Result) -> float:
    return result.outcome.latency_us(0.5)


def _p99_us(result: _Result) -> float:
    return result.outcome.latency_us(0.99)


def _run(settings: Settings) -> Section:
    seconds = settings.pick(3, 1)
    rounds = settings.pick(3, 1)
    runs: _Runs = {}
    with all_targets() as (direct, nginx, puna):
        connections = 0
        for number in range(rounds):
            for target in filter(None, (direct, nginx, puna)):
                settings.say(f"gateway: {target.name}, round {number + 1} of {rounds}")
                opened = _connections(direct)
                for name, job in _jobs(target, seconds).items():
                    runs.setdefault((target.name, name), []).append(_measure(target, job))
                if target is puna:
                    connections += _connections(direct) - opened - 1
    requests = sum(
        one.outcome.requests
        for (name, _), ones in runs.items()
        if name == puna.name
        for one in ones
    )
    control = "direct" if nginx is None else "nginx"
    return Section(
        title="Gateway",
        control=_describe(control),
        how="`puna serve --config` (one worker, master key, on the first core), upstream and load "
        "on the last core; both are lean asyncio protocols on uvloop (`benchmarks/upstream.py`, "
        "`benchmarks/load.py`). Closed loop over keep-alive connections; every reply is checked. "
        f"{seconds} s a step, median of {rounds} rounds taken in turns. CPU is the server's own "
        "user and system time. Added latency is that above the direct road.",
        rows=_rows(runs, control),
        notes=_notes(runs, connections, requests),
    )


def _jobs(target: Target, seconds: int) -> dict[str, Job]:
    """The steps. `warm` is run and forgotten."""
    usual = Job(target.port, _MANY, target.key, seconds)
    sized = {name: replace(usual, connections=_FEW, padding=size) for name, size in _SIZES.items()}
    return {
        "warm": replace(usual, seconds=0.5),
        "one": replace(usual, connections=1),
        "few": replace(usual, connections=_FEW),
        "many": usual,
        **sized,
        "burst": replace(usual, connections=_STREAMS, chunks=STREAM_CHUNKS),
        "paced": replace(usual, connections=_STREAMS, chunks=STREAM_CHUNKS, pause_ms=10),
    }


def _connections(direct: Target) -> int:
    """Connections that the upstream has seen so far, the one that asks included."""
    return int(json.loads(fetch(direct.port, "/stats")[1])["connections"])


def _measure(target: Target, job: Job) -> _Result:
    before_s = cpu_s(target.pid)
    outcome = run(job)
    return _Result(outcome, (cpu_s(target.pid) - before_s) * 1e6)


def _notes(runs: _Runs, connections: int, requests: int) -> list[str]:
    share = _share_of_core(runs)
    core = f"at {_MANY} connections Puna got {share:.0%} of its core; the rest, if any, went to "
    return [
        f"for {requests:,} requests Puna opened {connections:,} upstream connections",
        core + "other work, and requests/s and latencies are worse by it",
    ]


def _share_of_core(runs: _Runs) -> float:
    """The part of the time that the gateway ran while it had always something to do."""
    ones = runs["puna", "many"]
    return median(one.cpu_us / (one.outcome.seconds * 1e6) for one in ones)


def _describe(control: str) -> str:
    if control == "nginx":
        return "nginx `proxy_pass`, one process, before the same upstream in the same run"
    return (
        "the same load sent to the upstream itself, which does none of a gateway's work "
        "(nginx would be the control, and is not installed)"
    )


def _rows(runs: _Runs, control: str) -> list[Row]:
    def middle(target: str, step: str, figure: _Figure) -> float:
        return median(figure(one) for one in runs[target, step])

    def row(what: str, step: str, figure: _Figure, decimals: int = 0) -> Row:
        ours, theirs = middle("puna", step, figure), middle(control, step, figure)
        return Row(what, ours, theirs, decimals=decimals)

    def added(what: str, figure: _Figure) -> Row:
        floor = middle("direct", "one", figure)
        theirs = middle(control, "one", figure) - floor if control != "direct" else None
        return Row(what, middle("puna", "one", figure) - floor, theirs)

    return [
        row("requests/s, 1 connection", "one", _rate),
        row(f"requests/s, {_FEW} connections", "few", _rate),
        row(f"requests/s, {_MANY} connections", "many", _rate),
        row("CPU µs a request, 1 connection", "one", _cpu_us_per_request),
        row(f"CPU µs a request, {_MANY} connections", "many", _cpu_us_per_request),
        *(row(f"requests/s of {name}, {_FEW} connections", name, _rate) for name in _SIZES),
        row("latency p50 µs, 1 connection", "one", _p50_us),
        row("latency p99 µs, 1 connection", "one", _p99_us),
        row(f"latency p99 µs, {_FEW} connections", "few", _p99_us),
        added("added latency p50 µs, 1 connection", _p50_us),
        added("added latency p99 µs, 1 connection", _p99_us),
        row(f"chunks/s, {_STREAMS} streams at once", "burst", _chunk_rate),
        row("CPU µs a chunk, all at once", "burst", _cpu_us_per_chunk, 1),
        row("CPU µs a chunk, one each 10 ms", "paced", _cpu_us_per_chunk, 1),
    ]


MEASUREMENT = Measurement("gateway", _run)
