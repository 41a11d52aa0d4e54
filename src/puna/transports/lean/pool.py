"""The pool of connections to one origin, and the queue of exchanges that wait for one.

An exchange gets the idle connection that was used last; if there is none, a new connection is
opened for it; at the limit it waits in a queue, first come, first served. Each exchange is in
exactly one place: in `_waiting`, in `_dials` (a connection is being opened for it), or on a
connection. A free place always goes to the exchange that has waited longest.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from puna.transports.base import MOST_BODY_BYTES
from puna.transports.failures import connect_timeout_error, connection_error
from puna.transports.lean.connection import Connection
from puna.transports.lean.exchange import Exchange
from puna.transports.lean.head import Origin

Dialer = Callable[[Origin, Callable[[], Connection]], Awaitable[None]]
"""Opens a connection and gives it to the protocol that the function makes."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """The limits of a pool.

    Attributes:
        connections: the most to one origin; further requests wait, first come, first served.
        unused: the most that are kept idle; others are closed after their reply.
        idle_s: how many seconds an idle connection is kept.
        age_s: after so many seconds a connection is no longer reused, so that the host's name is
            resolved again.
        body_bytes: the longest body of a reply that is no stream, or of an error.
    """

    connections: int = 4_096
    unused: int = 100
    idle_s: float = 30.0
    age_s: float = 300.0
    body_bytes: int = MOST_BODY_BYTES


class Pool:
    """The connections to one origin, in one event loop."""

    def __init__(
        self,
        origin: Origin,
        limits: PoolLimits,
        loop: asyncio.AbstractEventLoop,
        dialer: Dialer,
        used: Callable[[Connection], None],
    ) -> None:
        self.connections: set[Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self._origin = origin
        self._limits = limits
        self._loop = loop
        self._dialer = dialer
        self._used = used
        self._idle: list[Connection] = []
        self._waiting: OrderedDict[Exchange, None] = OrderedDict()
        self._dials: dict[Exchange, asyncio.Task[None]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there is no connection, none is being opened, and no exchange waits."""
        return not (self.connections or self.tasks or self._waiting)

    def serve(self, exchange: Exchange, now: float) -> None:
        """Send an exchange's request.

        On an idle connection, on a new one, or later, when one is free.

        `now` is the loop's time in seconds.
        """
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.is_closed:
                continue
            # What came while nothing was asked must not be taken for the answer.
            poll = connection.unread
            if connection.expires_at > now and (poll is None or not poll.poll(0)):
                connection.begin(exchange)
                return
            connection.cut()
        exchange.queue = self
        self._limit_wait(exchange, now)
        if self._waiting or not self._has_room:
            self._waiting[exchange] = None
        else:
            self._dial(exchange)

    def leave(self, exchange: Exchange) -> None:
        """Remove an exchange that is cancelled or expired from the queue.

        Stop opening its connection.
        """
        self._waiting.pop(exchange, None)
        task = self._dials.pop(exchange, None)
        if task is not None:
            task.cancel()
            self._serve_next()

    # --- what connections call

    def adopt(self, connection: Connection) -> None:
        """A connection has opened: begin the exchange that it was opened for."""
        self.connections.add(connection)
        connection.retire_at = self._loop.time() + self._limits.age_s
        exchange, connection.first_exchange = connection.first_exchange, None
        if exchange is None or self._dials.pop(exchange, None) is None:
            connection.cut()
            return
        exchange.stop_timer()
        connection.begin(exchange)

    def release(self, connection: Connection) -> None:
        """Give a free connection to the exchange that has waited longest, keep it, or close it."""
        now = self._loop.time()
        if connection.uses == 1:
            connection.watch_unread()
            self._used(connection)
        expires_at, retire_at = now + self._limits.idle_s, connection.retire_at
        connection.expires_at = min(retire_at, expires_at)
        if retire_at <= now or len(self._idle) >= self._limits.unused:
            connection.cut()
        elif self._waiting:
            exchange, _ = self._waiting.popitem(last=False)
            exchange.stop_timer()
            connection.begin(exchange)
        else:
            self._idle.append(connection)

    def lost(self, connection: Connection) -> None:
        """A connection is closed: open another one if an exchange waits."""
        self.connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._serve_next()

    def retry(self, exchange: Exchange) -> None:
        """Open a new connection for an exchange whose reused connection turned out to be closed.

        It does not queue, because it takes the place of the closed connection.
        """
        exchange.queue = self
        self._limit_wait(exchange, self._loop.time())
        self._dial(exchange)

    # --- housekeeping

    def sweep(self, now: float) -> None:
        """Close connections that were idle for too long. Called every few seconds."""
        for connection in tuple(self._idle):
            if connection.expires_at <= now:
                connection.cut()

    def close(self) -> None:
        """Close all connections at once; requests under way or waiting fail."""
        reason = ConnectionError("the transport was closed")
        for exchange in (*self._waiting, *self._dials):
            self.leave(exchange)
            exchange.fail(connection_error(exchange.request, reason, was_sent=False))
        for connection in tuple(self.connections):
            connection.fail(reason)

    def abandon(self) -> None:
        """Close the sockets of an event loop that is closed. Exchanges get no callback."""
        for connection in self.connections:
            connection.abandon()
        self.connections.clear()
        self._idle.clear()

    # --- dialling

    @property
    def _has_room(self) -> bool:
        """Whether another connection may be opened."""
        return len(self.connections) + len(self._dials) < self._limits.connections

    def _serve_next(self) -> None:
        """Open connections for waiting exchanges while there is room."""
        while self._waiting and self._has_room:
            exchange, _ = self._waiting.popitem(last=False)
            self._dial(exchange)

    def _limit_wait(self, exchange: Exchange, now: float) -> None:
        """Start the timer that fails the exchange if it has no connection in time."""
        connect_s = exchange.request.timeouts.connect_s
        limit = min(exchange.deadline, math.inf if connect_s is None else now + connect_s)
        if limit < math.inf:
            exchange.timer = self._loop.call_at(limit, self._expire, exchange)

    def _expire(self, exchange: Exchange) -> None:
        """Fail an exchange that got no connection in time."""
        self.leave(exchange)
        exchange.fail(connect_timeout_error(exchange.request))

    def _dial(self, exchange: Exchange) -> None:
        """Start a task that opens a connection for an exchange."""
        task = self._loop.create_task(self._connect(exchange))
        self._dials[exchange] = task
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _connect(self, exchange: Exchange) -> None:
        """Open a connection for an exchange; fail the exchange where that is not possible."""
        reason: Exception
        try:
            limit = self._limits.body_bytes
            await self._dialer(self._origin, lambda: Connection(self, self._loop, exchange, limit))
        except Exception as error:  # noqa: BLE001 - nobody else would tell the exchange
            reason = error
        else:
            reason = ConnectionError("the host closed the connection at once")
        if self._dials.pop(exchange, None) is not None:  # not served, and not given up
            failure = connection_error(exchange.request, reason, was_sent=False)
            failure.__cause__ = reason
            exchange.fail(failure)
            self._serve_next()
