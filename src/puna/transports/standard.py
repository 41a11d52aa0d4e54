"""The standard transport over httpx2, synchronous and for asyncio: proxies and own certificates.

Redirects are never followed, so that a reply cannot send a key to another host.
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
from puna.transports.decompressed import DecompressedBody, is_encoded
from puna.transports.failures import (
    connect_timeout_error,
    connection_error,
    smallest_limit,
    timeout_error,
    too_long_text,
)
from puna.transports.httpx_connections import (
    AsyncConnections,
    Connections,
    RequestMaker,
    make_async_connections,
    make_connections,
)
from puna.transports.socket_deadlines import io_deadline
from puna.transports.tls import TLSConfig
from puna.wire.http import HTTPRequest, Timeouts


class StandardTransport:
    """The synchronous transport; all threads of a process share one connection pool.

    A process forked from this one gets a pool of its own: two processes on one socket would read
    each other's answers. `uses_proxies` is whether the environment's proxies are used.
    `most_body_bytes` limits bodies that are kept in memory.
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
        self._by_process: dict[int, Connections] = {}
        self._connections()

    def open(self, request: HTTPRequest) -> _StandardReply:
        """Send the request and wait for the reply's headers."""
        deadline = _deadline_after(request.timeouts.total_s)
        limits = _httpx_timeouts(
            request.timeouts, None
        )  # the deadline is over all reads and writes
        with _translate_errors(request, is_head=True), io_deadline(deadline):
            reply = self._connections().send(self._requests.make(request, limits))
        return _StandardReply(request, reply, deadline, self._most_body_bytes)

    def close(self) -> None:
        """Close all connections of this process."""
        found = self._by_process.pop(os.getpid(), None)
        if found is not None:
            found.close()

    def _connections(self) -> Connections:
        """This process's connection pool, made on first use.

        A parent process's pool is kept, unused, because closing it could end the parent's TLS
        sessions.
        """
        found = self._by_process.get(os.getpid())
        if found is not None:
            return found
        made = make_connections(self._tls.context(), uses_proxies=self._uses_proxies)
        return self._by_process.setdefault(os.getpid(), made)


class _StandardReply:
    """A reply of the synchronous transport whose body is still to be read."""

    def __init__(
        self, request: HTTPRequest, reply: httpx2.Response, deadline: float | None, most_bytes: int
    ) -> None:
        self._request = request
        self._reply = reply
        self._deadline = deadline
        self._ends_at: float | None = None
        self._buffer = _BodyBuffer(request, most_bytes)
        self.status = reply.status_code
        self.headers: Mapping[str, str] = _headers(reply)
        self._decompressed = DecompressedBody(reply) if is_encoded(reply) else None
        self._body = (
            self._decompressed.pieces() if self._decompressed is not None else _plain_body(reply)
        )

    def read(self) -> bytes:
        """The whole body."""
        piece = self._next_piece(self._deadline)
        while piece is not None:
            self._buffer.add(piece, self._decompressed)
            if self._deadline is not None and time.monotonic() > self._deadline:
                raise timeout_error(self._request, is_head=False)
            piece = self._next_piece(self._deadline)
        return self._buffer.content()

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces."""
        is_stream, idle_s = self._request.is_stream, self._request.timeouts.idle_s
        while True:
            piece = self._next_piece(_deadline_after(idle_s) if is_stream else self._deadline)
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
            self._next_piece(_deadline_after(within_s))

    def _next_piece(self, deadline: float | None) -> bytes | None:
        """The next piece of the body, before `deadline`; None at the end."""
        if self._ends_at is not None:
            deadline = smallest_limit(deadline, self._ends_at)
        with _translate_errors(self._request), io_deadline(deadline):
            return next(self._body, None)

    def close(self) -> None:
        """Close the reply, also while another thread reads from it."""
        if not self._reply.is_closed:
            _shut_down(self._reply.extensions["network_stream"].get_extra_info("socket"))
        self._reply.close()


class AsyncStandardTransport:
    """The transport over httpx2 for asyncio, with one connection pool, for one event loop.

    `uses_proxies` is whether the environment's proxies are used. `most_body_bytes` limits bodies
    that are kept in memory.
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
        self._connections: AsyncConnections = make_async_connections(
            (tls or TLSConfig()).context(), uses_proxies=uses_proxies
        )

    async def open(self, request: HTTPRequest) -> _AsyncStandardReply:
        """Send the request and wait for the reply's headers."""
        loop = asyncio.get_running_loop()
        total_s = request.timeouts.total_s
        deadline = loop.time() + total_s if total_s is not None else None
        limits = _httpx_timeouts(
            request.timeouts, None
        )  # the deadline is over all reads and writes
        handshakes = _Handshakes()
        try:
            with _translate_errors(request, is_head=True):
                built = self._requests.make(request, limits, trace=handshakes.trace)
                if self._connections.is_direct:
                    handshakes.end_with(built.extensions)
                async with asyncio.timeout_at(deadline):
                    reply = await self._connections.send(built)
        except BaseException:
            await handshakes.cut()
            raise
        limits["read"] = request.timeouts.idle_s if request.is_stream else total_s
        return _AsyncStandardReply(request, reply, deadline, self._most_body_bytes)

    async def close(self) -> None:
        """Close all connections."""
        await self._connections.close()


class _AsyncStandardReply:
    """A reply of the asyncio transport whose body is still to be read."""

    def __init__(
        self, request: HTTPRequest, reply: httpx2.Response, deadline: float | None, most_bytes: int
    ) -> None:
        self._request = request
        self._reply = reply
        self._deadline = deadline
        self._buffer = _BodyBuffer(request, most_bytes)
        self._decompressed = DecompressedBody(reply) if is_encoded(reply) else None
        self.status = reply.status_code
        self.headers: Mapping[str, str] = _headers(reply)

    async def read(self) -> bytes:
        """The whole body."""
        with _translate_errors(self._request):
            async with asyncio.timeout_at(self._deadline):
                async with aclosing(self.pieces()) as pieces:
                    async for piece in pieces:
                        self._buffer.add(piece, self._decompressed)
                return self._buffer.content()

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The body in pieces."""
        reply = self._reply
        body: object
        if self._decompressed is not None:
            body = self._decompressed.async_pieces()
        else:
            body = aiter(cast("httpx2.AsyncByteStream", reply.stream))
        idle_s = self._request.timeouts.idle_s if self._request.is_stream else None
        with _translate_errors(self._request):
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
        """Return the connection to its pool if the body was read to its end, else close it."""
        await self._reply.aclose()


class _BodyBuffer:
    """Collects the body of a reply, up to a limit."""

    def __init__(self, request: HTTPRequest, most_bytes: int) -> None:
        self._request = request
        self._most_bytes = most_bytes
        self._bytes = 0
        self._pieces: list[bytes] = []

    def add(self, piece: bytes, decompressed: DecompressedBody | None) -> None:
        """Add a piece. Raises APIConnectionError when the body is too long or expanded too much."""
        self._pieces.append(piece)
        self._bytes += len(piece)
        if self._bytes > self._most_bytes:
            raise connection_error(self._request, ValueError(too_long_text(self._most_bytes)))
        if decompressed is not None:
            with _translate_errors(self._request):
                decompressed.check_ratio()

    def content(self) -> bytes:
        """The whole body that was collected."""
        return b"".join(self._pieces)


class _Handshakes:
    """Tracks connections during their TLS handshake: httpx2 leaks these when it is cancelled."""

    def __init__(self) -> None:
        self._streams: list[Any] = []
        self._extensions: dict[str, Any] | None = None

    def end_with(self, extensions: dict[str, Any]) -> None:
        """Stop tracing when HTTP begins: without a proxy, no TLS handshake comes after that."""
        self._extensions = extensions

    async def trace(self, event: str, facts: Mapping[str, Any]) -> None:
        """httpx2's "trace" callback: remember new connections until their handshake is done."""
        if self._extensions is not None and event.startswith("http"):
            self._extensions.pop("trace", None)
        if event == "connection.connect_tcp.complete":
            self._streams.append(facts["return_value"])
        elif event == "connection.start_tls.complete":
            self._streams.clear()

    async def cut(self) -> None:
        """Close the connections whose handshake was interrupted."""
        for stream in self._streams:
            await stream.aclose()


def _shut_down(sock: socket.socket) -> None:
    """Shut the socket down, which wakes a thread that reads from it; closing it would not."""
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _deadline_after(seconds: float | None) -> float | None:
    """The instant of the steady clock that is `seconds` from now; None for no limit."""
    return time.monotonic() + seconds if seconds is not None else None


def _httpx_timeouts(timeouts: Timeouts, each_s: float | None) -> dict[str, float | None]:
    """httpx2's timeouts in seconds: for a connection, and for each read and write."""
    connect_s = smallest_limit(timeouts.connect_s, timeouts.total_s)
    return {"connect": connect_s, "read": each_s, "write": each_s, "pool": connect_s}


def _headers(reply: httpx2.Response) -> dict[str, str]:
    """A reply's headers with lower-case names; repeated ones are joined."""
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
    """The body of a reply that is not compressed, straight from httpx2's stream."""
    try:
        yield from cast("httpx2.SyncByteStream", reply.stream)
    finally:
        reply.close()


_UNSENT = (httpx2.ConnectError, httpx2.InvalidURL, httpx2.UnsupportedProtocol)
"""Errors that come before a request is sent."""


@contextmanager
def _translate_errors(request: HTTPRequest, *, is_head: bool = False) -> Generator[None]:
    """Turn httpx2's errors into Puna's. The message names the host, never the key."""
    try:
        yield
    except ConfigError as error:
        unusable = connection_error(request, error, was_sent=False)
        unusable.is_retryable = False
        raise unusable from error
    except httpx2.ConnectTimeout as error:
        raise connect_timeout_error(request) from error
    except (httpx2.TimeoutException, TimeoutError) as error:
        raise timeout_error(request, is_head=is_head) from error
    except (
        httpx2.RequestError,
        httpx2.InvalidURL,
        httpx2.StreamError,
        OSError,
        ValueError,
        zlib.error,
    ) as error:
        # A ValueError is a host name that cannot be looked up, or an encoding that is not read.
        raise connection_error(request, error, was_sent=not isinstance(error, _UNSENT)) from error
