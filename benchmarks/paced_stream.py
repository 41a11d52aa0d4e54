"""One paced stream over a connection of its own: notes when each of its chunks came."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass, field
from typing import Any, cast

import httptools

from benchmarks.upstream import TIMED

_END = b"data: [DONE]"
_LONGEST_MARK = 64  # bytes: a number, a time, and what stands around them


@dataclass(slots=True)
class Seen:
    """Where all streams write: delays of the chunks that were written in the window, and bad ends.

    `waiting` is how many have had no chunk yet.
    """

    waiting: int
    opens_ns: int = sys.maxsize
    closes_ns: int = sys.maxsize
    all_began: asyncio.Event = field(default_factory=asyncio.Event)
    delays_us: list[float] = field(default_factory=list[float])
    errors: list[str] = field(default_factory=list[str])

    def begin(self) -> None:
        """One had its first chunk, or will have none."""
        self.waiting -= 1
        if not self.waiting:
            self.all_began.set()

    def note(self, written_ns: int, now_ns: int) -> None:
        """A chunk came."""
        if self.opens_ns <= written_ns < self.closes_ns:
            self.delays_us.append((now_ns - written_ns) / 1000)


class Stream(asyncio.Protocol):
    """Asks once; `done` is set at the end. No chunk may be missing, and the end must be told."""

    def __init__(self, request: bytes, seen: Seen) -> None:
        self._request = request
        self._seen = seen
        self._parser: Any = httptools.HttpResponseParser(self)
        self._rest = b""
        self._last = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Some bytes of the reply."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Some bytes of the stream: note each mark in them that is whole."""
        now_ns = time.monotonic_ns()
        text = self._rest + body
        end = 0
        for found in TIMED.finditer(text):
            number = int(found[1])
            if number != self._last + 1:
                self._end(f"chunk {number} after {self._last}")
            if number == 1:
                self._seen.begin()
            self._last = number
            self._seen.note(int(found[2]), now_ns)
            end = found.end()
        self._rest = text[max(end, len(text) - _LONGEST_MARK) :]

    def on_message_complete(self) -> None:
        """The stream's end: it must have told it."""
        if self._last and _END in self._rest:
            self._end(None)
        else:
            status = self._parser.get_status_code()
            self._end(f"status {status}, {self._last} chunks, then {self._rest[-100:]!r}")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; fine after the end."""
        self._end(f"connection lost after {self._last} chunks: {exc}")

    def _end(self, why: str | None) -> None:
        if self.done.done():
            return
        if not self._last:
            self._seen.begin()
        if why is not None:
            self._seen.errors.append(why)
        self.done.set_result(None)
        self._transport.close()
