"""The gateway under load: requests a second, CPU a request and a chunk, added latency."""

from __future__ import annotations

import json
from dataclasses import replace

from benchmarks.job import Job
from benchmarks.nginx import NOT_INSTALLED
from benchmarks.processes import fetch
from benchmarks.report import Measurement, Row, Section, Settings
from benchmarks.sample import (
    MANY,
    Figure,
    Runs,
    Sample,
    chunk_rate,
    cpu_us_per_chunk,
    cpu_us_per_request,
    measure,
    middle,
    p50_us,
    p99_us,
    rate,
    share_of_core,
)
from benchmarks.target import STREAM_CHUNKS, Target
from benchmarks.targets import all_targets

_FEW = 8
_STREAMS = 16
_SIZES = {"16 KB": 16 * 1024, "256 KB": 256 * 1024}


def _run(settings: Settings) -> Section:
    seconds = settings.pick(2, 1)
    rounds = settings.rounds(3)
    runs: dict[tuple[str, str], list[Sample]] = {}
    with all_targets() as (direct, nginx, puna):
        connections = 0
        for number in range(rounds):
            for target in filter(None, (direct, nginx, puna)):
                settings.say(f"gateway: {target.name}, round {number + 1} of {rounds}")
                opened = _connections(direct)
                for name, job in _jobs(target, seconds).items():
                    runs.setdefault((target.name, name), []).append(measure(target, job))
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
    usual = target.job(MANY, seconds)
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


def _notes(runs: Runs, connections: int, requests: int) -> list[str]:
    share = middle(runs["puna", "many"], share_of_core)
    core = f"at {MANY} connections Puna got {share:.0%} of its core; the rest, if any, went to "
    return [
        f"for {requests:,} requests Puna opened {connections:,} upstream connections",
        core + "other work, and requests/s and latencies are worse by it",
    ]


def _describe(control: str) -> str:
    if control == "nginx":
        return (
            "nginx `proxy_pass`, one process, before the same upstream in the same run; it writes "
            "an access log too, buffered"
        )
    return NOT_INSTALLED


def _rows(runs: Runs, control: str) -> list[Row]:
    def row(what: str, step: str, figure: Figure, decimals: int = 0) -> Row:
        ours, theirs = middle(runs["puna", step], figure), middle(runs[control, step], figure)
        return Row(what, ours, theirs, decimals=decimals)

    def added(what: str, figure: Figure) -> Row:
        floor = middle(runs["direct", "one"], figure)
        theirs = middle(runs[control, "one"], figure) - floor if control != "direct" else None
        return Row(what, middle(runs["puna", "one"], figure) - floor, theirs)

    return [
        row("requests/s, 1 connection", "one", rate),
        row(f"requests/s, {_FEW} connections", "few", rate),
        row(f"requests/s, {MANY} connections", "many", rate),
        row("CPU µs a request, 1 connection", "one", cpu_us_per_request),
        row(f"CPU µs a request, {MANY} connections", "many", cpu_us_per_request),
        *(row(f"requests/s of {name}, {_FEW} connections", name, rate) for name in _SIZES),
        row("latency p50 µs, 1 connection", "one", p50_us),
        row("latency p99 µs, 1 connection", "one", p99_us),
        row(f"latency p99 µs, {_FEW} connections", "few", p99_us),
        added("added latency p50 µs, 1 connection", p50_us),
        added("added latency p99 µs, 1 connection", p99_us),
        row(f"chunks/s, {_STREAMS} streams at once", "burst", chunk_rate),
        row("CPU µs a chunk, all at once", "burst", cpu_us_per_chunk, 1),
        row("CPU µs a chunk, one each 10 ms", "paced", cpu_us_per_chunk, 1),
    ]


MEASUREMENT = Measurement("gateway", _run)
