"""The standard transport, over httpx2: proxies, custom certificates, sync and async.

Redirects are never followed: a reply must not carry a key to another host.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx2

from puna.errors import APIConnectionError, ConfigError
from puna.transports.failures import least, not_connected, timed_out, unreachable
from puna.transports.tls import TLSConfig
from puna.version import __version__
from puna.wire.http import HTTPRequest, Timeouts

_HEADERS = {"accept-encoding": "gzip, deflate", "user-agent": f"puna/{__version__}"}
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=30.0)


class StandardTransport:
    """Synchronous; one connection pool, shared by all threads of a process.

    A process forked from this one gets a pool of its own: two processes that write to one socket
    would read each other's answers. `uses_proxies` is whether the environment's proxies count.
    """

    def __init__(self, tls: TLSConfig | None = None, *, uses_proxies: bool = True) -> None:
        self._tls = tls or TLSConfig()
        self._uses_proxies = uses_proxies
        self._clients: dict[int, httpx2.Client] = {}
        self._client()

    def open(self, request: HTTPRequest) -> _StandardReply:
        """Send the request and wait for the reply's headers."""
        deadline = _deadline(request.timeouts)
        client = self._client()
        with _translated(request, is_head=True):
            reply = client.send(_build(client, request), stream=True)
        return _StandardReply(request, reply, deadline)

    def close(self) -> None:
        """Close all connections of this process."""
        client = self._clients.pop(os.getpid(), None)
        if client is not None:
            client.close()

    def _client(self) -> httpx2.Client:
        """This process's client. A parent's is kept, unused: closing it could end its TLS."""
        client = self._clients.get(os.getpid())
        if client is not None:
            return client
        with _usable_proxies():
            made = httpx2.Client(
                verify=self._tls.context(),
                limits=_LIMITS,
                follow_redirects=False,
                cookies=_no_cookies(),
                trust_env=self._uses_proxies,
            )
        return self._clients.setdefault(os.getpid(), made)


class _StandardReply:
    """A reply under way."""

    def __init__(
        self, request: HTTPRequest, reply: httpx2.Response, deadline: float | None
    ) -> None:
        self._request = request
        self._reply = reply
        self._deadline = deadline
        self.status = reply.status_code
        self.headers: Mapping[str, str] = _headers(reply)
        if request.is_stream:
            _limit_reads(reply, request.timeouts.idle_s)
        elif deadline is not None:
            _limit_reads(reply, max(0.001, deadline - time.monotonic()))
        self._body = reply.iter_bytes()

    def read(self) -> bytes:
        """The whole body."""
        pieces: list[bytes] = []
        for piece in self.pieces():
            pieces.append(piece)
            if self._deadline is not None and time.monotonic() > self._deadline:
                raise timed_out(self._request, is_head=False)
        return b"".join(pieces)

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces."""
        with _translated(self._request):
            yield from self._body

    def finish(self, within_s: float) -> None:
        """Read the end of the body, so that the connection can serve again."""
        # httpx2 takes no new limit once a body has begun, so the limit comes from outside.
        sock = self._reply.extensions["network_stream"].get_extra_info("socket")
        watch = threading.Timer(within_s, _cut, (sock,))
        watch.daemon = True
        watch.start()
        with suppress(APIConnectionError):
            next(self.pieces(), None)
        watch.cancel()

    def close(self) -> None:
        """Give back or cut the connection, also while another thread is reading from it."""
        if not self._reply.is_closed:
            _cut(self._reply.extensions["network_stream"].get_extra_info("socket"))
        self._reply.close()


class AsyncStandardTransport:
    """For asyncio; one connection pool, for one event loop.

    `uses_proxies` is whether the environment's proxies count.
    """

    def __init__(self, tls: TLSConfig | None = None, *, uses_proxies: bool = True) -> None:
        with _usable_proxies():
            self._client = httpx2.AsyncClient(
                verify=(tls or TLSConfig()).context(),
                limits=_LIMITS,
                follow_redirects=False,
                cookies=_no_cookies(),
                trust_env=uses_proxies,
            )

    async def open(self, request: HTTPRequest) -> _AsyncStandardReply:
        """Send the request and wait for the reply's headers."""
        loop = asyncio.get_running_loop()
        total_s = request.timeouts.total_s
        deadline = loop.time() + total_s if total_s is not None else None
        handshakes = _Handshakes()
        built = _build(self._client, request, trace=handshakes.note)
        try:
            with _translated(request, is_head=True):
                async with asyncio.timeout_at(deadline):
                    reply = await self._client.send(built, stream=True)
        except BaseException:
            await handshakes.cut()
            raise
        return _AsyncStandardReply(request, reply, deadline)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


class _AsyncStandardReply:
    """A reply under way."""

    def __init__(
        self, request: HTTPRequest, reply: httpx2.Response, deadline: float | None
    ) -> None:
        self._request = request
        self._reply = reply
        self._deadline = deadline
        self.status = reply.status_code
        self.headers: Mapping[str, str] = _headers(reply)
        if request.is_stream:
            _limit_reads(reply, request.timeouts.idle_s)

    async def read(self) -> bytes:
        """The whole body."""
        with _translated(self._request):
            async with asyncio.timeout_at(self._deadline):
                return await self._reply.aread()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body in pieces."""
        with _translated(self._request):
            async for piece in self._reply.aiter_bytes():
                yield piece

    async def close(self) -> None:
        """Give back or cut the connection."""
        await self._reply.aclose()


class _Handshakes:
    """Connections whose TLS handshake is under way: httpx2 forgets them when it is cancelled."""

    def __init__(self) -> None:
        self._streams: list[Any] = []

    async def note(self, event: str, facts: Mapping[str, Any]) -> None:
        """Follow what httpx2 does (its "trace" extension)."""
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


@contextmanager
def _usable_proxies() -> Generator[None]:
    """httpx2 reads `HTTPS_PROXY` and the like when a client is made."""
    try:
        yield
    except (ImportError, ValueError, httpx2.InvalidURL) as error:
        raise ConfigError(
            f"a proxy that the environment names cannot be used: {error}", key="HTTPS_PROXY"
        ) from error


def _deadline(timeouts: Timeouts) -> float | None:
    return time.monotonic() + timeouts.total_s if timeouts.total_s is not None else None


def _build(
    client: httpx2.Client | httpx2.AsyncClient, request: HTTPRequest, **extensions: Any
) -> httpx2.Request:
    timeouts = request.timeouts
    total_s = timeouts.total_s
    connect_s = least(timeouts.connect_s, total_s)
    limits = httpx2.Timeout(connect=connect_s, read=total_s, write=total_s, pool=connect_s)
    return client.build_request(
        request.method,
        request.url,
        headers={**_HEADERS, **request.headers},
        content=request.body,
        timeout=limits,
        extensions=extensions,
    )


def _limit_reads(reply: httpx2.Response, read_s: float | None) -> None:
    """How long each read of the body may take: httpx2 looks once, when the body begins."""
    reply.request.extensions["timeout"]["read"] = read_s


def _no_cookies() -> CookieJar:
    """A jar that keeps nothing: what one call is told must not be sent with another's."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def _headers(reply: httpx2.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in reply.headers.items()}


@contextmanager
def _translated(request: HTTPRequest, *, is_head: bool = False) -> Generator[None]:
    """The one line where httpx2's errors become ours. Only the host is named, never the key."""
    try:
        yield
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
    ) as error:
        # A ValueError is a host name that cannot be looked up.
        raise unreachable(request, error) from error
