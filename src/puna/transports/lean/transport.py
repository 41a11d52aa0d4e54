"""The lean transport. `start` works with callbacks; `open` awaits futures over the same path."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from puna.errors import APIError
from puna.transports.failures import connection_error
from puna.transports.lean.connection import Connection
from puna.transports.lean.dial import NetworkDialer
from puna.transports.lean.exchange import Exchange, ReplySink
from puna.transports.lean.head import Head, HeadCache, Origin, build_head
from puna.transports.lean.pool import Dialer, Pool, PoolLimits
from puna.transports.lean.replies import LeanReply
from puna.transports.tls import TLSConfig
from puna.wire.http import HTTPRequest

_SWEEP_S = 5.0
_CLOSE_S = 1.0

_Send = Callable[[HTTPRequest, Head, bytes, bytes, ReplySink], Exchange]


class PreparedRequest:
    """A checked request without its body, made by `LeanTransport.prepare`.

    Many bodies are sent with it.
    """

    __slots__ = ("_head", "_request", "_send")

    def __init__(self, request: HTTPRequest, head: Head, send: _Send) -> None:
        self._request = request
        self._head = head
        self._send = send

    def start(self, body: bytes, sink: ReplySink, /) -> Exchange:
        """Send the request with this body; the sink gets the reply. As `LeanTransport.start`."""
        head = self._head
        start = b"%bcontent-length: %d\r\n\r\n" % (head.start, len(body))
        return self._send(self._request, head, start, body, sink)


class LeanTransport:
    """Sends HTTP/1.1 requests over kept connections, in the event loop that first uses it.

    It uses no proxy, follows no redirect and keeps no cookie. It asks for no compression, but
    decompresses bodies that come compressed; the reply's headers stay as they came. A request on a
    reused connection that the host had closed before is sent once more, silently; nothing else is
    sent twice.

    `dialer` opens the connections; the default one uses the network.
    """

    def __init__(
        self,
        tls: TLSConfig | None = None,
        *,
        limits: PoolLimits | None = None,
        dialer: Dialer | None = None,
    ) -> None:
        network = NetworkDialer(tls)
        self._dialer: Dialer = dialer or network
        self._remember = network.remember
        self._limits = limits or PoolLimits()
        self._heads = HeadCache()
        self._pools: dict[Origin, Pool] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._is_closed = False

    @property
    def open_connections(self) -> int:
        """How many connections are open, in use or idle."""
        return sum(len(pool.connections) for pool in self._pools.values())

    def start(self, request: HTTPRequest, sink: ReplySink) -> Exchange:
        """Send a request; the sink gets the reply. Returns the handle to pause or cancel it.

        Never raises: all failures reach the sink, after this has returned.
        """
        try:
            head = self._heads.get(request)
            start = head.to_bytes(request.body)
        except (ValueError, TypeError, AttributeError) as error:  # bad values, or bad types of them
            exchange = Exchange(request, b"", b"", sink, math.inf)
            self._refuse(exchange, error)
            return exchange
        return self._send(request, head, start, request.body, sink)

    def prepare(self, request: HTTPRequest) -> PreparedRequest:
        """Check a request's head once, so that it can be sent with one body after the other.

        Raises:
            ValueError: its URL, method or headers cannot be sent.
        """
        head = build_head(request)
        if head.given_length is not None:
            raise ValueError("the header `content-length` is the transport's own; leave it out")
        return PreparedRequest(request, head, self._send)

    def _send(
        self, request: HTTPRequest, head: Head, start: bytes, body: bytes, sink: ReplySink
    ) -> Exchange:
        """Hand a request with its head to the pool of its origin."""
        loop = self._loop or self._bind_loop()
        now = loop.time()
        total_s = request.timeouts.total_s
        deadline = math.inf if total_s is None else now + total_s
        exchange = Exchange(request, start, body, sink, deadline)
        if self._is_closed:
            self._refuse(exchange, ConnectionError("the transport was closed"))
            return exchange
        pool = self._pools.get(head.origin)
        if pool is None:
            pool = self._make_pool(head.origin, loop)
        exchange.has_no_reply_body = head.has_no_reply_body
        pool.serve(exchange, now)
        return exchange

    async def open(self, request: HTTPRequest) -> LeanReply:
        """Send a request and wait for its reply's head.

        Raises:
            APITimeoutError: no answer in time.
            APIConnectionError: no connection, or it broke.
        """
        reply = LeanReply(request, asyncio.get_running_loop())
        reply.exchange = self.start(request, reply)
        try:
            await reply.wait_head()
        except APIError:
            raise
        except BaseException:
            reply.cancel()
            raise
        return reply

    async def close(self) -> None:
        """Close all connections at once. Requests that wait for a reply fail."""
        self._is_closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        pools = tuple(self._pools.values())
        for pool in pools:
            pool.close()
        # The loop closes sockets on its next turns.
        limit = asyncio.get_running_loop().time() + _CLOSE_S
        while not all(pool.is_empty for pool in pools):
            if asyncio.get_running_loop().time() > limit:
                break
            await asyncio.sleep(0)
        self._pools.clear()

    def abandon(self) -> None:
        """Close the sockets of an event loop that is closed and can run nothing more."""
        self._is_closed = True
        self._sweeper = None
        for pool in self._pools.values():
            pool.abandon()
        self._pools.clear()

    def _bind_loop(self) -> asyncio.AbstractEventLoop:
        """Note the running loop as this transport's own. Called with the first request."""
        self._loop = asyncio.get_running_loop()
        return self._loop

    def _refuse(self, exchange: Exchange, reason: Exception) -> None:
        """Fail an exchange in the next turn of the loop."""
        error = connection_error(exchange.request, reason, was_sent=False)
        error.__cause__ = reason
        asyncio.get_running_loop().call_soon(exchange.fail, error)

    def _make_pool(self, origin: Origin, loop: asyncio.AbstractEventLoop) -> Pool:
        """Make the pool for an origin, and start the timer that closes idle connections."""
        pool = Pool(origin, self._limits, loop, self._dialer, self._store_session)
        self._pools[origin] = pool
        if self._sweeper is None:
            self._sweeper = loop.call_later(_SWEEP_S, self._sweep, loop)
        return pool

    def _store_session(self, connection: Connection) -> None:
        """Store a connection's TLS session. Called by the pool after its first reply."""
        self._remember(connection)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close old idle connections, and drop the pools of hosts that have none left."""
        now = loop.time()
        for origin, pool in tuple(self._pools.items()):
            pool.sweep(now)
            if pool.is_empty:
                del self._pools[origin]
        self._sweeper = loop.call_later(_SWEEP_S, self._sweep, loop) if self._pools else None
