"""One request with its reply: the handle that the sender gets, and the protocols around it.

An exchange waits in a pool's queue (`queue` is set), then is served by a connection (`connection`
is set), and is over exactly once: by `end`, `end_whole`, `fail` or `cancel`. The first three call
one last method of the sink; after `cancel` the sink is never called again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol, TypeVar

from puna.errors import APIError
from puna.transports.failures import connection_error
from puna.transports.lean.whole import WholeReply
from puna.wire.http import HTTPRequest

_log = logging.getLogger("puna.transports")


class ReplySink(Protocol):
    """Receives a reply by callbacks, in order, in the event loop.

    Exactly one of `on_end`, `on_whole` and `on_error` is called, as the last; after
    `Exchange.cancel` nothing is called. When the sink raises in `on_head` or `on_piece`, the
    connection is closed and `on_error` is called; so it is when it raises in `on_whole`, but then
    the connection stays in use.
    """

    def on_head(self, status: int, headers: Mapping[str, str]) -> None:
        """Status and headers (lower-case names) of the final reply, never of a 1xx one.

        The headers describe the body as it was sent, before it was decompressed.
        """
        ...

    def on_piece(self, data: bytes) -> None:
        """Bytes of the body, without chunked framing and decompressed."""
        ...

    def on_end(self) -> None:
        """The body is complete. May be called while paused, if nothing was left to read."""
        ...

    def on_whole(self, reply: WholeReply) -> None:
        """The whole reply, which came in one read.

        Called instead of `on_head`, `on_piece` and `on_end`.
        """
        ...

    def on_error(self, error: APIError) -> None:
        """There is no reply, or it broke in the middle."""
        ...


class ConnectionControl(Protocol):
    """What an exchange can do with the connection that serves it."""

    def pause(self) -> None:
        """Stop reading from the socket."""
        ...

    def resume(self) -> None:
        """Read from the socket again."""
        ...

    def cut(self) -> None:
        """Close the connection at once; the exchange gets no further callback."""
        ...


ConnectionT_contra = TypeVar("ConnectionT_contra", bound=ConnectionControl, contravariant=True)


class ConnectionOwner(Protocol[ConnectionT_contra]):
    """What a connection reports to its owner, the pool."""

    def adopt(self, connection: ConnectionT_contra) -> None:
        """The connection is open: use it for the exchange that it was opened for."""
        ...

    def release(self, connection: ConnectionT_contra) -> None:
        """The connection's reply is complete, and it can serve another request."""
        ...

    def lost(self, connection: ConnectionT_contra) -> None:
        """The connection is closed."""
        ...

    def retry(self, exchange: Exchange) -> None:
        """Send an exchange again on a new connection: the host had closed the reused one."""
        ...


class ExchangeQueue(Protocol):
    """Where an exchange waits for a connection: the pool."""

    def leave(self, exchange: Exchange) -> None:
        """Remove the exchange from the queue, because it was cancelled."""
        ...


class Exchange:
    """The handle of one request, by which the sender pauses, resumes or cancels it.

    Made by `PreparedRequest.start`. `start` and `body` are the bytes to write; `request` may lack
    them.
    """

    __slots__ = (
        "body",
        "connection",
        "deadline",
        "has_no_reply_body",
        "is_over",
        "is_paused",
        "is_retry",
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
        self.connection: ConnectionControl | None = None
        self.queue: ExchangeQueue | None = None
        self.timer: asyncio.TimerHandle | None = None

    def pause(self) -> None:
        """Apply back-pressure: stop reading from the upstream. Idempotent."""
        if not self.is_paused and not self.is_over:
            self.is_paused = True
            if self.connection is not None:
                self.connection.pause()

    def resume(self) -> None:
        """End the back-pressure. The sink may be called before this returns. Idempotent."""
        if self.is_paused and not self.is_over:
            self.is_paused = False
            if self.connection is not None:
                self.connection.resume()

    def cancel(self) -> None:
        """Close the connection at once, or leave the queue; no callback follows. Idempotent."""
        if self.is_over:
            return
        self.is_over = True
        connection, queue = self.connection, self.queue
        if connection is not None:
            self.connection = None
            connection.cut()
        elif queue is not None:
            self.stop_timer()
            queue.leave(self)

    # --- for the pool and the connection

    def stop_timer(self) -> None:
        """Cancel the timer that limits the wait for a connection."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def end(self) -> None:
        """End the exchange with success: the connection has delivered the whole reply."""
        self.is_over = True
        self.connection = None
        try:
            self.sink.on_end()
        except Exception:  # noqa: BLE001 - a sink's failure must not break its connection
            _log.exception("A reader of replies failed at the end of one")

    def end_whole(self, reply: WholeReply) -> None:
        """End the exchange with a reply that came in one read."""
        self.is_over = True
        self.connection = None
        try:
            self.sink.on_whole(reply)
        except Exception:  # noqa: BLE001 - as above
            _log.exception("A reader of replies failed at a whole one")
            self.is_over = False
            self.fail(
                connection_error(self.request, RuntimeError("the reader of the reply failed"))
            )

    def fail(self, error: APIError) -> None:
        """End the exchange with an error, unless it is over already."""
        if self.is_over:
            return
        self.is_over = True
        self.connection = None
        self.stop_timer()
        try:
            self.sink.on_error(error)
        except Exception:  # noqa: BLE001 - the same
            _log.exception("A reader of replies failed at an error")
