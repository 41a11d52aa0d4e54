"""A gateway's memory and sockets: idle, under 200 streams, after 20,000 requests; and its start."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from statistics import median

from benchmarks.body_memory import AGENT, KINDS, times_of
from benchmarks.job import Job
from benchmarks.load import run
from benchmarks.processes import (
    MEASURED_CORE,
    children,
    fetch,
    rss_mb,
    running,
    sockets,
    upstream,
)
from benchmarks.puna_server import puna
from benchmarks.report import Measurement, Row, Section, Settings
from benchmarks.target import MODELS, STREAM_CHUNKS, Target

_AT_ONCE = 200
_POOL_EXPIRY_S = 31
_GROWTH_GOAL_MB = 5
_IDLE_GOAL_MB = 80
_BODY_GOAL = 6


def _run(settings: Settings) -> Section:
    bare_mb = _bare_interpreter_mb()
    rounds = settings.rounds(3)
    embedded = [_idle_with_embedded(settings) for _ in range(rounds)]
    starts_s: list[float] = []
    with upstream() as (_, port):
        for _ in range(rounds - 1):
            with puna(port) as target:
                starts_s.append(target.first_answer_s)
        with puna(port) as target:
            starts_s.append(target.first_answer_s)
            loaded, notes = _under_load(target, settings)
    embedded_s, worker_mb, child_mb = (median(figures) for figures in zip(*embedded, strict=True))
    return Section(
        title="Memory, sockets and start",
        control="for memory a bare Python interpreter; for what comes after a load the same worker "
        "before it",
        how="`puna serve`, one worker on the first core; resident memory (RSS) and sockets from "
        f"/proc. Starts are the median of {rounds}. What a body takes is the most that Python held "
        "while it was served (tracemalloc), in a gateway without sockets "
        "(`benchmarks/body_memory.py`).",
        rows=[
            Row("idle worker with the embedded model, RSS MB", worker_mb, bare_mb, decimals=1),
            Row("the same with the model's process, MB", worker_mb + child_mb, bare_mb, decimals=1),
            *_idle(loaded, bare_mb),
            *_bodies(settings),
            Row("start to first answer, config, s", median(starts_s), decimals=2),
            Row("start to first answer, embedded model, s", embedded_s, decimals=2),
        ],
        notes=notes,
    )


def _bodies(settings: Settings) -> list[Row]:
    """What request bodies of up to 0.5 MB take; those of small values have a goal."""
    rows: list[Row] = []
    for kind in (*KINDS, AGENT):
        settings.say(f"memory: a body, {kind}")
        goal = None if kind == AGENT else _BODY_GOAL
        what = "a long agent's turn" if kind == AGENT else f"a body of {kind}"
        row = Row(f"memory of {what}, times its size", times_of(kind), goal=goal, decimals=1)
        rows.append(row)
    return rows


def _idle(loaded: Sequence[Row], bare_mb: float) -> list[Row]:
    idle = loaded[0].control
    first = Row("idle worker with a config, RSS MB", idle or 0, bare_mb, _IDLE_GOAL_MB, decimals=1)
    return [first, *loaded]


def _bare_interpreter_mb() -> float:
    command = [sys.executable, "-c", "print('up', flush=True); import signal; signal.pause()"]
    with running(command, MEASURED_CORE, reads_line=True) as (process, _):
        return rss_mb(process.pid)


def _idle_with_embedded(settings: Settings) -> tuple[float, float, float]:
    """Seconds to the first answer; MB of the worker and of the model's process."""
    settings.say("memory: starting with the embedded model")
    with puna(None) as target:
        time.sleep(0.5)
        return (
            target.first_answer_s,
            rss_mb(target.pid),
            sum(rss_mb(child) for child in children(target.pid)),
        )


def _under_load(target: Target, settings: Settings) -> tuple[list[Row], list[str]]:
    """Figures after streams and requests, each beside the one before."""
    idle_mb, idle_sockets = rss_mb(target.pid), sockets(target.pid)
    settings.say(f"memory: {_AT_ONCE} streams at once, twice over")
    streams = 2 * _AT_ONCE
    run(
        Job(
            target.port,
            _AT_ONCE,
            target.key,
            requests=streams,
            chunks=STREAM_CHUNKS,
            pause_ms=20,
        )
    )
    time.sleep(1)
    streamed_mb, streamed_sockets = rss_mb(target.pid), sockets(target.pid)
    warm, requests = settings.pick(2000, 200), settings.pick(20_000, 1000)
    settings.say(f"memory: {requests:,} requests")
    run(Job(target.port, 32, target.key, requests=warm))
    warm_mb = rss_mb(target.pid)
    run(Job(target.port, 32, target.key, requests=requests))
    time.sleep(1)
    rows = [
        Row(f"RSS MB after {_AT_ONCE} streams at once", streamed_mb, idle_mb, decimals=1),
        Row(f"RSS MB after {requests:,} further requests", rss_mb(target.pid), warm_mb, decimals=1),
        Row(
            f"growth over those {requests:,}, MB",
            rss_mb(target.pid) - warm_mb,
            None,
            _GROWTH_GOAL_MB,
            decimals=1,
        ),
        Row(f"open sockets after {_AT_ONCE} streams", streamed_sockets, idle_sockets),
    ]
    notes = ["after a load up to 100 idle upstream connections are kept for 30 s"]
    if not settings.is_quick:
        time.sleep(_POOL_EXPIRY_S)
        body = b'{"model": "%b", "messages": [{"role": "user", "content": "hi"}]}'
        fetch(target.port, "/v1/chat/completions", body % MODELS[0].encode(), target.key)
        what = f"open sockets {_POOL_EXPIRY_S} s later, one request on"
        rows.append(Row(what, sockets(target.pid), idle_sockets))
    return rows, notes


MEASUREMENT = Measurement("memory", _run)
