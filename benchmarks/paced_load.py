"""Many paced streams at once, and how long each chunk was under way from its write upstream.

`python -m benchmarks.paced_load JOB` runs a `PacedJob` given as JSON and prints a `PacedOutcome`.
The upstream writes into each chunk when it was written; one machine has one monotonic clock.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import uvloop

from benchmarks.job import bearer, posted, quantile
from benchmarks.paced_stream import Seen, Stream
from benchmarks.processes import cpu_s, run_json
from benchmarks.upstream import model_name

_LONGEST_S = 60
_CHUNKS = 4000
PAUSE_MS = 50
MODEL = model_name(_CHUNKS, PAUSE_MS, is_timed=True)


@dataclass(frozen=True, slots=True)
class PacedJob:
    """`streams` begin one after the other over `ramp_s`; a window of `window_s` is measured then.

    It opens when all have had a chunk. Then the upstream is told to finish them. `pids` are the
    processes whose CPU time in the window is wanted.
    """

    port: int
    upstream_port: int
    streams: int
    key: str = ""
    ramp_s: float = 1.5
    window_s: float = 3.0
    pids: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class PacedOutcome:
    """What came of it.

    Attributes:
        chunks: those written in the window and received.
        p50_us, p99_us, most_us: how long such a chunk was under way.
        began_s: when the last stream had its first chunk.
        cpu, load_cpu: shares of one core in the window: the job's processes, the load itself.
        errors: streams that were not whole, or not over in a minute.
    """

    chunks: int
    p50_us: float
    p99_us: float
    most_us: float
    began_s: float
    cpu: Sequence[float]
    load_cpu: float
    errors: Sequence[str]


def run(job: PacedJob) -> PacedOutcome:
    """Run a job in a process of its own.

    Raises:
        RuntimeError: no chunk came in the window.
    """
    outcome = PacedOutcome(**run_json("benchmarks.paced_load", asdict(job)))
    if not outcome.chunks:
        raise RuntimeError(f"no chunk came of {job.streams} streams: {outcome.errors[:1]}")
    return outcome


async def _load(job: PacedJob) -> PacedOutcome:
    began_at = time.monotonic()
    seen = Seen(job.streams)
    gc.disable()  # a collection here would be the server's delay
    streams = await _begin(job, seen, began_at)
    errors: list[str] = []
    try:
        await asyncio.wait_for(seen.all_began.wait(), _LONGEST_S)
    except TimeoutError:
        errors.append(f"{seen.waiting} of the streams did not begin within {_LONGEST_S} s")
    began_s = time.monotonic() - began_at
    *cpu, load_cpu = await _measure(job, seen)
    await _finish(job.upstream_port)
    await asyncio.wait([one.done for one in streams], timeout=_LONGEST_S)
    endless = sum(not one.done.done() for one in streams)
    if endless:
        errors.append(f"{endless} of the streams did not end within {_LONGEST_S} s")
    delays = sorted(seen.delays_us) or [0.0]
    return PacedOutcome(
        chunks=len(seen.delays_us),
        p50_us=quantile(delays, 0.5),
        p99_us=quantile(delays, 0.99),
        most_us=delays[-1],
        began_s=began_s,
        cpu=cpu,
        load_cpu=load_cpu,
        errors=[*seen.errors, *errors],
    )


async def _begin(job: PacedJob, seen: Seen, began_at: float) -> list[Stream]:
    """Begin the streams, each in its turn, so that their chunks are spread over the pause."""
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Why is the sky blue?"}],
        "stream": True,
    }
    request = posted(job.port, "/v1/chat/completions", bearer(job.key), body)
    loop = asyncio.get_running_loop()
    streams: list[Stream] = []
    for number in range(job.streams):
        due_at = began_at + job.ramp_s * number / job.streams
        await asyncio.sleep(max(due_at - time.monotonic(), 0))
        _, stream = await loop.create_connection(
            lambda: Stream(request, seen), "127.0.0.1", job.port
        )
        streams.append(stream)
    return streams


async def _measure(job: PacedJob, seen: Seen) -> list[float]:
    """Open the window and close it; the CPU shares in it: of the job's processes, then its own."""

    def so_far() -> list[float]:
        return [time.monotonic(), *map(cpu_s, job.pids), time.process_time()]

    before = so_far()
    seen.opens_ns = int(before[0] * 1e9)
    seen.closes_ns = seen.opens_ns + int(job.window_s * 1e9)
    await asyncio.sleep(job.window_s)
    spent_s, *cpu = [now - then for now, then in zip(so_far(), before, strict=True)]
    return [one / spent_s for one in cpu]


async def _finish(upstream_port: int) -> None:
    """Tell the upstream to finish its timed streams."""
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream_port)
    writer.write(b"GET /finish HTTP/1.1\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(_load(PacedJob(**json.loads(sys.argv[1])))))))
