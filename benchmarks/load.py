"""The load generator: a closed loop over keep-alive connections, on asyncio, uvloop and httptools.

`python -m benchmarks.load JOB` runs a `Job` given as JSON and prints an `Outcome`. Every reply is
checked: status, and for a stream the number of chunks and `[DONE]`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import httptools
import uvloop

from benchmarks.processes import run_json
from benchmarks.upstream import model_name

_FILLER = " It was blue yesterday, and it will be blue again tomorrow."


@dataclass(frozen=True, slots=True)
class Job:
    """What to send to 127.0.0.1. It ends after `seconds` or `requests`, whichever is given.

    `chunks` above 0 asks for streams of so many chunks, `pause_ms` apart. `padding` is how many
    bytes the question is longer than usual.
    """

    port: int
    connections: int
    key: str = ""
    seconds: float | None = None
    requests: int | None = None
    chunks: int = 0
    pause_ms: int = 0
    padding: int = 0

    def request(self) -> bytes:
        """The request's bytes."""
        body: dict[str, Any] = {
            "model": model_name(self.chunks or 64, self.pause_ms),
            "messages": [
                {"role": "system", "content": "You are a helpful assistant."},
                {
                    "role": "user",
                    "content": "Tell me in one paragraph why the sky is blue."
                    + _FILLER * (self.padding // len(_FILLER)),
                },
            ],
            "max_tokens": 128,
            "temperature": 0.7,
        }
        if self.chunks:
            body["stream"] = True
        content = json.dumps(body, separators=(",", ":")).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n"
            f"authorization: Bearer {self.key}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(content)}\r\n\r\n"
        )
        return head.encode() + content


@dataclass(slots=True)
class Outcome:
    """What came of a job. Times are sorted; `firsts_us` are those to a body's first byte."""

    requests: int = 0
    chunks: int = 0
    seconds: float = 0.0
    errors: list[str] = field(default_factory=list[str])
    latencies_us: list[float] = field(default_factory=list[float])
    firsts_us: list[float] = field(default_factory=list[float])

    @property
    def rate(self) -> float:
        """Good requests per second."""
        return self.requests / self.seconds

    def latency_us(self, share: float) -> float:
        """The latency that this share of the requests stays under."""
        return self.latencies_us[min(int(share * self.requests), self.requests - 1)]


def run(job: Job) -> Outcome:
    """Run a job in a process of its own.

    Raises:
        RuntimeError: a reply was wrong, or none came.
    """
    outcome = Outcome(**run_json("benchmarks.load", asdict(job)))
    if outcome.errors or not outcome.requests:
        raise RuntimeError(f"{len(outcome.errors)} bad replies, such as {outcome.errors[:1]}")
    return outcome


class _Client(asyncio.Protocol):
    """One connection; asks anew as soon as it has its answer."""

    def __init__(self, job: Job, request: bytes, outcome: Outcome, until: float) -> None:
        self._job = job
        self._request = request
        self._outcome = outcome
        self._until = until
        self._parser: Any = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._began_at = 0.0
        self._first_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.left = -(-(job.requests or 0) // job.connections)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._outcome.errors.append(f"connection lost: {exc}")
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Bytes of the reply's body."""
        if not self._pieces:
            self._first_at = time.perf_counter()
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """The reply is whole."""
        now = time.perf_counter()
        outcome = self._outcome
        body = b"".join(self._pieces)
        status = self._parser.get_status_code()
        chunks = body.count(b"data: {")
        is_good = (
            chunks >= self._job.chunks and b"data: [DONE]" in body
            if self._job.chunks
            else b'"finish_reason"' in body
        )
        if status != 200 or not is_good:  # noqa: PLR2004 - a status
            outcome.errors.append(f"status {status}: {body[:200]!r}")
        else:
            outcome.requests += 1
            outcome.chunks += chunks
            outcome.latencies_us.append((now - self._began_at) * 1e6)
            outcome.firsts_us.append((self._first_at - self._began_at) * 1e6)
        self.left -= 1
        if outcome.errors or now >= self._until or (self._job.requests and self.left <= 0):
            self.done.set_result(None)
            self._transport.close()
        else:
            self._ask()

    def _ask(self) -> None:
        # A parser serves one connection's replies in turn; only the pieces begin anew.
        self._pieces = []
        self._began_at = time.perf_counter()
        self._transport.write(self._request)


async def _load(job: Job) -> Outcome:
    loop = asyncio.get_running_loop()
    outcome = Outcome()
    began_at = time.perf_counter()
    until = began_at + (job.seconds if job.seconds is not None else 120)
    request = job.request()
    clients = [
        (
            await loop.create_connection(
                lambda: _Client(job, request, outcome, until), "127.0.0.1", job.port
            )
        )[1]
        for _ in range(job.connections)
    ]
    async with asyncio.timeout(150):
        await asyncio.gather(*(client.done for client in clients))
    outcome.seconds = time.perf_counter() - began_at
    outcome.latencies_us.sort()
    outcome.firsts_us.sort()
    return outcome


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(_load(Job(**json.loads(sys.argv[1])))))))
