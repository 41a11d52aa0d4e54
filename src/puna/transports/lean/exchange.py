"""One request under way: who sent it, who hears of it, and where it stands."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol, TypeVar

from puna.errors import APIError
from puna.transports.failures import unreachable
from puna.transports.lean.whole import WholeReply
from puna.wire.http import HTTPRequest

_log = logging.getLogger("puna.transports")


class ReplySink(Protocol):
    """Hears of a reply, on the loop and in order.

    Exactly one of `on_end`, `on_whole` and `on_error` comes, last; after `Exchange.cancel` nothing
    comes. A sink that raises in `on_head` or `on_piece` has its connection cut and gets `on_error`;
    so does one that raises in `on_whole`, whose connection goes on.
    """

    def on_head(self, status: int, headers: Mapping[str, str]) -> None:
        """The final head (never 1xx). Names are lower-case; it tells how the body came."""
        ...

    def on_piece(self, data: bytes) -> None:
        """Bytes of the body: unchunked and opened."""
        ...

    def on_end(self) -> None:
        """The body is whole. It may come while paused, when nothing more had to be read."""
        ...

    def on_whole(self, reply: WholeReply) -> None:
        """Instead of head, piece and end: a reply that came in one read."""
        ...

    def on_error(self, error: APIError) -> None:
        """No reply, or the end of one that broke."""
        ...


class Line(Protocol):
    """What carries an exchange: a connection."""

    def pause(self) -> None:
        """Stop reading."""
        ...

    def resume(self) -> None:
        """Read on."""
        ...

    def cut(self) -> None:
        """Close at once; the exchange hears nothing more."""
        ...


LineT_contra = TypeVar("LineT_contra", bound=Line, contravariant=True)


class Owner(Protocol[LineT_contra]):
    """Who keeps the connections of a host: a pool."""

    def adopt(self, connection: LineT_contra) -> None:
        """It is open."""
        ...

    def release(self, connection: LineT_contra) -> None:
        """Its reply is read and it may serve again."""
        ...

    def lost(self, connection: LineT_contra) -> None:
        """It is closed."""
        ...

    def retry(self, exchange: Exchange) -> None:
        """The host had closed a kept connection before this request: it gets a fresh one."""
        ...


class Queue(Protocol):
    """Where an exchange waits for its connection: a pool."""

    def leave(self, exchange: Exchange) -> None:
        """The exchange waits no longer."""
        ...


class Exchange:
    """The handle of one request. Made by `PreparedRequest.start`.

    `start` and `body` are what is to be written; `request` may lack them.
    """

    __slots__ = (
        "body",
        "deadline",
        "has_no_reply_body",
        "is_over",
        "is_paused",
        "is_retry",
        "line",
        "queue",
        "request",
        "sink",
        "start",
        "timer",
    )

    def __init__(
        self, request: HTTPRequest, start: bytes, body: bytes, sink: ReplySink, deadline: float
    ) -> None:
        self.request = request
        self.start = start
        self.body = body
        self.sink = sink
        self.deadline = deadline
        self.has_no_reply_body = False
        self.is_over = False
        self.is_paused = False
        self.is_retry = False
        self.line: Line | None = None
        self.queue: Queue | None = None
        self.timer: asyncio.TimerHandle | None = None

    def pause(self) -> None:
        """Back-pressure: stop reading from the upstream. Idempotent."""
        if not self.is_paused and not self.is_over:
            self.is_paused = True
            if self.line is not None:
                self.line.pause()

    def resume(self) -> None:
        """Read on. The sink may be called before this returns. Idempotent."""
        if self.is_paused and not self.is_over:
            self.is_paused = False
            if self.line is not None:
                self.line.resume()

    def cancel(self) -> None:
        """Cut the connection at once; no callback follows. Idempotent."""
        if self.is_over:
            return
        self.is_over = True
        line, queue = self.line, self.queue
        if line is not None:
            self.line = None
            line.cut()
        elif queue is not None:
            self.stop_timer()
            queue.leave(self)

    # --- for the pool and the connection

    def stop_timer(self) -> None:
        """The wait for a connection is over."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def end(self) -> None:
        """Tell the sink that all is well."""
        self.is_over = True
        self.line = None
        try:
            self.sink.on_end()
        except Exception:  # noqa: BLE001 - a sink's failure must not break its connection
            _log.exception("A reader of replies failed at the end of one")

    def end_whole(self, reply: WholeReply) -> None:
        """Tell the sink all at once."""
        self.is_over = True
        self.line = None
        try:
            self.sink.on_whole(reply)
        except Exception:  # noqa: BLE001 - as above
            _log.exception("A reader of replies failed at a whole one")
            self.is_over = False
            self.fail(unreachable(self.request, RuntimeError("the reader of the reply failed")))

    def fail(self, error: APIError) -> None:
        """Tell the sink that it is not, unless it was told before."""
        if self.is_over:
            return
        self.is_over = True
        self.line = None
        self.stop_timer()
        try:
            self.sink.on_error(error)
        except Exception:  # noqa: BLE001 - the same
            _log.exception("A reader of replies failed at an error")
