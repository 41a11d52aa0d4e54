"""The standard transport, over httpx2: proxies, custom certificates, sync and async.

Redirects are never followed: a reply must not carry a key to another host.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
import zlib
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from typing import Any, cast

import httpx2

from puna.errors import APIConnectionError, ConfigError
from puna.transports.base import MOST_BODY_BYTES
from puna.transports.bounded import until
from puna.transports.failures import least, not_connected, timed_out, too_long, unreachable
from puna.transports.opened import Opened, is_encoded
from puna.transports.roads import AsyncRoad, RequestMaker, Road, make_async_road, make_road
from puna.transports.tls import TLSConfig
from puna.wire.http import HTTPRequest, Timeouts


class StandardTransport:
    """Synchronous; one connection pool, shared by all threads of a process.

    A process forked from this one gets a pool of its own: two processes that write to one socket
    would read each other's answers. `uses_proxies` is whether the environment's proxies count.
    `most_body_bytes` limits what is kept whole.
    """

    def __init__(
        self,
        tls: TLSConfig | None = None,
        *,
        uses_proxies: bool = True,
        most_body_bytes: int = MOST_BODY_BYTES,
    ) -> None:
        self._tls = tls or TLSConfig()
        self._uses_proxies = uses_proxies
        self._most_body_bytes = most_body_bytes
        self._requests = RequestMaker()
        self._roads: dict[int, Road] = {}
        self._road()

    def open(self, request: HTTPRequest) -> _StandardReply:
        """Send the request and wait for the reply's headers."""
        deadline = _after(request.timeouts.total_s)
        limits = _limits(request.timeouts, None)  # the deadline is over all reads and writes
        with _translated(request, is_head=True), until(deadline):
            reply = self._road().send(self._requests.make(request, limits))
        return _StandardReply(request, reply, deadline, self._most_body_bytes)

    def close(self) -> None:
        """Close all connections of this process."""
        road = self._roads.pop(os.getpid(), None)
        if road is not None:
            road.close()

    def _road(self) -> Road:
        """This process's road. A parent's is kept, unused: closing it could end its TLS."""
        road = self._roads.get(os.getpid())
        if road is not None:
            return road
        made = make_road(self._tls.context(), uses_proxies=self._uses_proxies)
        return self._roads.setdefault(os.getpid(), made)


class _StandardReply:
    """A reply under way."""

    def __init__(
        self, request: HTTPRequest, reply: httpx2.Response, deadline: float | None, most_bytes: int
    ) -> None:
        self._request = request
        self._reply = reply
        self._deadline = deadline
        self._ends_at: float | None = None
        self._whole = _Whole(request, most_bytes)
        self.status = reply.status_code
        self.headers: Mapping[str, str] = _headers(reply)
        self._opened = Opened(reply) if is_encoded(reply) else None
        self._body = self._opened.pieces() if self._opened is not None else _plain_body(reply)

    def read(self) -> bytes:
        """The whole body."""
        piece = self._next(self._deadline)
        while piece is not None:
            self._whole.add(piece, self._opened)
            if self._deadline is not None and time.monotonic() > self._deadline:
                raise timed_out(self._request, is_head=False)
            piece = self._next(self._deadline)
        return self._whole.take()

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces."""
        is_stream, idle_s = self._request.is_stream, self._request.timeouts.idle_s
        while True:
            piece = self._next(_after(idle_s) if is_stream else self._deadline)
            if piece is None:
                return
            yield piece

    def limit(self, within_s: float) -> None:
        """Fail reads of the body that go on after `within_s` seconds from now."""
        self._ends_at = time.monotonic() + within_s

    def finish(self, within_s: float) -> None:
        """Read the end of the body, so that the connection can serve again."""
        self._ends_at = None
        with suppress(APIConnectionError):
            self._next(_after(within_s))

    def _next(self, deadline: float | None) -> bytes | None:
        """The next piece of the body, within its time; None at the end."""
        if self._ends_at is not None:
            deadline = least(deadline, self._ends_at)
        with _translated(self._request), until(deadline):
            return next(self._body, None)

    def close(self) -> None:
        """Give back or cut the connection, also while another thread is reading from it."""
        if not self._reply.is_closed:
            _cut(self._reply.extensions["network_stream"].get_extra_info("socket"))
        self._reply.close()


class AsyncStandardTransport:
    """For asyncio; one connection pool, for one event loop.

    `uses_proxies` is whether the environment's proxies count.
    `most_body_bytes` limits what is kept whole.
    """

    def __init__(
        self,
        tls: TLSConfig | None = None,
        *,
        uses_proxies: bool = True,
        most_body_bytes: int = MOST_BODY_BYTES,
    ) -> None:
        self._most_body_bytes = most_body_bytes
        self._requests = RequestMaker()
        self._road: AsyncRoad = make_async_road(
            (tls or TLSConfig()).context(), uses_proxies=uses_proxies
        )

    async def open(self, request: HTTPRequest) -> _AsyncStandardReply:
        """Send the request and wait for the reply's headers."""
        loop = asyncio.get_running_loop()
        total_s = request.timeouts.total_s
        deadline = loop.time() + total_s if total_s is not None else None
        limits = _limits(request.timeouts, None)  # the deadline is over all reads and writes
        handshakes = _Handshakes()
        try:
            with _translated(request, is_head=True):
                built = self._requests.make(request, limits, trace=handshakes.note)
                if self._road.is_straight:
                    handshakes.end_with(built.extensions)
                async with asyncio.timeout_at(deadline):
                    reply = await self._road.send(built)
        except BaseException:
            await handshakes.cut()
            raise
        limits["read"] = request.timeouts.idle_s if request.is_stream else total_s
        return _AsyncStandardReply(request, reply, deadline, self._most_body_bytes)

    async def close(self) -> None:
        """Close all connections."""
        await self._road.close()


class _AsyncStandardReply:
    """A reply under way."""

    def __init__(
        self, request: HTTPRequest, reply: httpx2.Response, deadline: float | None, most_bytes: int
    ) -> None:
        self._request = request
        self._reply = reply
        self._deadline = deadline
        self._whole = _Whole(request, most_bytes)
        self._opened = Opened(reply) if is_encoded(reply) else None
        self.status = reply.status_code
        self.headers: Mapping[str, str] = _headers(reply)

    async def read(self) -> bytes:
        """The whole body."""
        with _translated(self._request):
            async with asyncio.timeout_at(self._deadline):
                async with aclosing(self.pieces()) as pieces:
                    async for piece in pieces:
                        self._whole.add(piece, self._opened)
                return self._whole.take()

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The body in pieces."""
        reply = self._reply
        body: object
        if self._opened is not None:
            body = self._opened.async_pieces()
        else:
            body = aiter(cast("httpx2.AsyncByteStream", reply.stream))
        idle_s = self._request.timeouts.idle_s if self._request.is_stream else None
        with _translated(self._request):
            try:
                async with aclosing(cast("AsyncGenerator[bytes]", body)) as pieces:
                    while True:
                        # httpx2's own limit is for one read, which may bring nothing of the body.
                        async with asyncio.timeout(idle_s):
                            piece = await anext(pieces, None)
                        if piece is None:
                            return
                        yield piece
            finally:
                await reply.aclose()

    async def close(self) -> None:
        """Give back or cut the connection."""
        await self._reply.aclose()


class _Whole:
    """The body of a reply as it comes, up to a limit."""

    def __init__(self, request: HTTPRequest, most_bytes: int) -> None:
        self._request = request
        self._most_bytes = most_bytes
        self._bytes = 0
        self._pieces: list[bytes] = []

    def add(self, piece: bytes, opened: Opened | None) -> None:
        """Keep some of it. Raises APIConnectionError when it is too much."""
        self._pieces.append(piece)
        self._bytes += len(piece)
        if self._bytes > self._most_bytes:
            raise unreachable(self._request, ValueError(too_long(self._most_bytes)))
        if opened is not None:
            with _translated(self._request):
                opened.check_ratio()

    def take(self) -> bytes:
        """All of it."""
        return b"".join(self._pieces)


class _Handshakes:
    """Connections whose TLS handshake is under way: httpx2 forgets them when it is cancelled."""

    def __init__(self) -> None:
        self._streams: list[Any] = []
        self._extensions: dict[str, Any] | None = None

    def end_with(self, extensions: dict[str, Any]) -> None:
        """Stop tracing when HTTP begins: without a proxy, no TLS handshake comes after that."""
        self._extensions = extensions

    async def note(self, event: str, facts: Mapping[str, Any]) -> None:
        """Follow what httpx2 does (its "trace" extension)."""
        if self._extensions is not None and event.startswith("http"):
            self._extensions.pop("trace", None)
        if event == "connection.connect_tcp.complete":
            self._streams.append(facts["return_value"])
        elif event == "connection.start_tls.complete":
            self._streams.clear()

    async def cut(self) -> None:
        """Close what was left half open."""
        for stream in self._streams:
            await stream.aclose()


def _cut(sock: socket.socket) -> None:
    """Wake whoever reads from a socket: closing it would not."""
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _after(seconds: float | None) -> float | None:
    """The deadline that many seconds from now."""
    return time.monotonic() + seconds if seconds is not None else None


def _limits(timeouts: Timeouts, each_s: float | None) -> dict[str, float | None]:
    """What httpx2 may wait: for a connection, and for each read and write."""
    connect_s = least(timeouts.connect_s, timeouts.total_s)
    return {"connect": connect_s, "read": each_s, "write": each_s, "pool": connect_s}


def _headers(reply: httpx2.Response) -> dict[str, str]:
    raw = reply.headers.raw
    try:
        headers = {name.decode("ascii").lower(): value.decode("ascii") for name, value in raw}
    except UnicodeDecodeError:
        headers = {}
    if len(headers) == len(raw):
        return headers
    # Some name came twice, or a value is no ASCII: httpx2 knows how to join and to guess.
    return {name.lower(): value for name, value in reply.headers.items()}


def _plain_body(reply: httpx2.Response) -> Iterator[bytes]:
    """A body that needs no decompression, without the steps that do it."""
    try:
        yield from cast("httpx2.SyncByteStream", reply.stream)
    finally:
        reply.close()


_UNSENT = (httpx2.ConnectError, httpx2.InvalidURL, httpx2.UnsupportedProtocol)
"""Errors that come before a request is sent."""


@contextmanager
def _translated(request: HTTPRequest, *, is_head: bool = False) -> Generator[None]:
    """The one line where httpx2's errors become ours. Only the host is named, never the key."""
    try:
        yield
    except ConfigError as error:
        unusable = unreachable(request, error, was_sent=False)
        unusable.is_retryable = False
        raise unusable from error
    except httpx2.ConnectTimeout as error:
        raise not_connected(request) from error
    except (httpx2.TimeoutException, TimeoutError) as error:
        raise timed_out(request, is_head=is_head) from error
    except (
        httpx2.RequestError,
        httpx2.InvalidURL,
        httpx2.StreamError,
        OSError,
        ValueError,
        zlib.error,
    ) as error:
        # A ValueError is a host name that cannot be looked up, or an encoding that is not read.
        raise unreachable(request, error, was_sent=not isinstance(error, _UNSENT)) from error
