"""Connections to hosts over httpx2, direct or through the environment's proxies.

httpx2's client handles redirects, cookies and logins. Puna follows no redirect, keeps no cookie and
writes its own `Authorization`, so requests go to httpx2's transport directly: the same connection
pool at half the cost.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import httpx2

from puna.errors import ConfigError
from puna.transports.proxies import EnvironmentProxies
from puna.transports.socket_deadlines import enforce_deadlines
from puna.version import __version__
from puna.wire.http import HTTPRequest

_HEADERS = {
    "connection": "keep-alive",
    "accept-encoding": "gzip, deflate",
    "user-agent": f"puna/{__version__}",
}
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=30.0)
_CACHED_ADDRESSES = 64


class Connections(NamedTuple):
    """A pool of connections: `send` gives a reply whose body is unread, `close` closes all."""

    send: Callable[[httpx2.Request], httpx2.Response]
    close: Callable[[], None]


class AsyncConnections(NamedTuple):
    """As `Connections`, for asyncio. `is_direct` is true if no request goes through a proxy."""

    send: Callable[[httpx2.Request], Awaitable[httpx2.Response]]
    close: Callable[[], Awaitable[None]]
    is_direct: bool


class RequestMaker:
    """Makes httpx2's requests. Parsed URLs are cached, since a client asks few hosts."""

    def __init__(self) -> None:
        self._address = lru_cache(_CACHED_ADDRESSES)(httpx2.URL)

    def make(
        self, request: HTTPRequest, limits: dict[str, float | None], **extensions: Any
    ) -> httpx2.Request:
        """Convert a request.

        `limits` are httpx2's timeouts (connect, read, write, pool) in seconds.
        """
        return httpx2.Request(
            request.method,
            self._address(request.url),
            headers={**_HEADERS, **request.headers},
            content=request.body,
            extensions={"timeout": limits, **extensions},
        )


def make_connections(tls: ssl.SSLContext, *, uses_proxies: bool) -> Connections:
    """A pool for synchronous callers, whose sockets respect `socket_deadlines.io_deadline`.

    `send` raises ConfigError for a host whose proxy cannot be used; other hosts are not affected.
    """
    direct = httpx2.HTTPTransport(verify=tls, limits=_LIMITS)
    enforce_deadlines(direct)
    proxies = EnvironmentProxies()
    if not (uses_proxies and proxies.is_any_set):
        return Connections(direct.handle_request, direct.close)
    by_proxy: dict[str, httpx2.HTTPTransport] = {}
    lock = threading.Lock()

    def send(request: httpx2.Request) -> httpx2.Response:
        """Send a request, directly or through the host's proxy."""
        address = proxies.find(str(request.url))
        if address is None:
            return direct.handle_request(request)
        with lock:
            if address not in by_proxy:
                with _usable_proxy():
                    made = httpx2.HTTPTransport(verify=tls, limits=_LIMITS, proxy=address)
                enforce_deadlines(made)
                by_proxy[address] = made
        return by_proxy[address].handle_request(request)

    def close() -> None:
        """Close the connections to hosts and proxies."""
        for one in (direct, *by_proxy.values()):
            one.close()

    return Connections(send, close)


def make_async_connections(tls: ssl.SSLContext, *, uses_proxies: bool) -> AsyncConnections:
    """`make_connections` for asyncio."""
    direct = httpx2.AsyncHTTPTransport(verify=tls, limits=_LIMITS)
    proxies = EnvironmentProxies()
    if not (uses_proxies and proxies.is_any_set):
        return AsyncConnections(direct.handle_async_request, direct.aclose, is_direct=True)
    by_proxy: dict[str, httpx2.AsyncHTTPTransport] = {}

    async def send(request: httpx2.Request) -> httpx2.Response:
        """Send a request, directly or through the host's proxy."""
        address = proxies.find(str(request.url))
        if address is None:
            return await direct.handle_async_request(request)
        if address not in by_proxy:
            with _usable_proxy():
                by_proxy[address] = httpx2.AsyncHTTPTransport(
                    verify=tls, limits=_LIMITS, proxy=address
                )
        return await by_proxy[address].handle_async_request(request)

    async def close() -> None:
        """Close the connections to hosts and proxies."""
        for one in (direct, *by_proxy.values()):
            await one.aclose()

    return AsyncConnections(send, close, is_direct=False)


@contextmanager
def _usable_proxy() -> Generator[None]:
    """Context that turns errors about a proxy's address into ConfigError."""
    try:
        yield
    except (ImportError, ValueError, httpx2.InvalidURL) as error:
        raise ConfigError(
            f"the proxy that the environment names cannot be used: {error}", key="HTTPS_PROXY"
        ) from error
