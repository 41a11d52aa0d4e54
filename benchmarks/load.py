"""The load generator, on asyncio, uvloop and httptools, over keep-alive connections.

`python -m benchmarks.load JOB` runs a `Job` given as JSON and prints an `Outcome`. Every reply is
checked: status, and for a stream the number of chunks and `[DONE]`. A closed loop, unless the job
has a rate (`poisson.py`).
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from dataclasses import asdict

import uvloop

from benchmarks.asker import Asker
from benchmarks.job import Job, Outcome
from benchmarks.poisson import OpenLoop
from benchmarks.processes import run_json

_LONGEST_S = 150
_USUAL_S = 120


def run(job: Job) -> Outcome:
    """Run a job in a process of its own.

    Raises:
        RuntimeError: a reply was wrong, or none came.
    """
    outcome = Outcome(**run_json("benchmarks.load", asdict(job)))
    if outcome.errors or not outcome.requests:
        raise RuntimeError(f"{len(outcome.errors)} bad replies, such as {outcome.errors[:1]}")
    return outcome


class _ClosedLoop:
    """Each connection asks anew as soon as it has its answer, until the time or its share is up."""

    def __init__(self, job: Job, until: float) -> None:
        self._until = until
        share = -(-job.requests // job.connections) if job.requests else 0
        self._share = share
        self._left: dict[Asker, int] = {}
        self._running = 0
        self.done = asyncio.Event()

    def begin(self, askers: list[Asker]) -> None:
        """Let all ask."""
        self._left = dict.fromkeys(askers, self._share)
        self._running = len(askers)
        for asker in askers:
            asker.ask(time.perf_counter())

    def answered(self, asker: Asker, now: float) -> None:
        """One has its answer."""
        self._left[asker] -= 1
        if now < self._until and self._left[asker]:
            asker.ask(now)
            return
        self._running -= 1
        if not self._running:
            self.done.set()


async def _load(job: Job) -> Outcome:
    loop = asyncio.get_running_loop()
    outcome = Outcome()
    request = job.request()
    began_at = time.perf_counter()
    way = (
        OpenLoop(job, outcome)
        if job.rate
        else _ClosedLoop(job, began_at + (_USUAL_S if job.seconds is None else job.seconds))
    )
    askers: list[Asker] = []
    for _ in range(job.connections):
        _, asker = await loop.create_connection(
            lambda: Asker(job, request, outcome, way.answered, way.done), "127.0.0.1", job.port
        )
        askers.append(asker)
    gc.disable()  # nothing here goes in circles, and a collection would be the server's latency
    spent_s = time.process_time()
    way.begin(askers)
    async with asyncio.timeout(_LONGEST_S):
        await way.done.wait()
    outcome.seconds = time.perf_counter() - began_at
    outcome.cpu_us = (time.process_time() - spent_s) * 1e6
    for times in (outcome.latencies_us, outcome.firsts_us, outcome.lates_us):
        times.sort()
    for asker in askers:
        asker.close()
    return outcome


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(_load(Job(**json.loads(sys.argv[1])))))))
