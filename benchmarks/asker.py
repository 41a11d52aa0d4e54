"""One keep-alive connection of a load: sends the request, checks the reply, notes its times."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

import httptools

from benchmarks.job import Job, Outcome, chunks_in, is_good


class Asker(asyncio.Protocol):
    """Tells `answered` of each good reply, and of its moment; sets `failed` at the first bad one.

    Moments are seconds of `time.perf_counter`.
    """

    def __init__(
        self,
        job: Job,
        request: bytes,
        outcome: Outcome,
        answered: Callable[[Asker, float], None],
        failed: asyncio.Event,
    ) -> None:
        self._job = job
        self._request = request
        self._outcome = outcome
        self._answered = answered
        self._failed = failed
        self._parser: Any = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._due_at = 0.0
        self._first_at = 0.0
        self.is_busy = False
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        self._transport = cast("asyncio.Transport", transport)
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        """A server may close an idle connection; one that owes a reply may not be closed."""
        self.is_open = False
        if self.is_busy:
            self._fail(f"connection lost: {exc}")

    def ask(self, due_at: float) -> None:
        """Send the request that was due at that moment."""
        # A parser serves one connection's replies in turn; only the pieces begin anew.
        self._pieces = []
        self._due_at = due_at
        self.is_busy = True
        self._transport.write(self._request)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Some bytes of a reply."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Bytes of the reply's body."""
        if not self._pieces:
            self._first_at = time.perf_counter()
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """The reply is whole."""
        now = time.perf_counter()
        self.is_busy = False
        outcome = self._outcome
        body = b"".join(self._pieces)
        status = self._parser.get_status_code()
        if not is_good(self._job, status, body):
            self._fail(f"status {status}: {body[:200]!r}")
            return
        outcome.requests += 1
        outcome.chunks += chunks_in(body)
        outcome.latencies_us.append((now - self._due_at) * 1e6)
        outcome.firsts_us.append((self._first_at - self._due_at) * 1e6)
        self._answered(self, now)

    def _fail(self, why: str) -> None:
        self._outcome.errors.append(why)
        self._failed.set()
