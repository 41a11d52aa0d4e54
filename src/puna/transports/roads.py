"""The roads to hosts, over httpx2: a straight one, or the one through the environment's proxies.

httpx2's client is for redirects, cookies and logins. Puna follows no redirect, keeps no cookie and
writes its own `Authorization`, so a request goes to httpx2's transport itself: the same connections
at half the price.
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
from puna.transports.bounded import bound_sockets
from puna.transports.proxies import EnvironmentProxies
from puna.version import __version__
from puna.wire.http import HTTPRequest

_HEADERS = {
    "connection": "keep-alive",
    "accept-encoding": "gzip, deflate",
    "user-agent": f"puna/{__version__}",
}
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=30.0)
_KNOWN_ADDRESSES = 64


class Road(NamedTuple):
    """A way to hosts: `send` returns a reply whose body is unread; `close` ends the connections."""

    send: Callable[[httpx2.Request], httpx2.Response]
    close: Callable[[], None]


class AsyncRoad(NamedTuple):
    """`Road` for asyncio. `is_straight`: no request goes through a proxy."""

    send: Callable[[httpx2.Request], Awaitable[httpx2.Response]]
    close: Callable[[], Awaitable[None]]
    is_straight: bool


class RequestMaker:
    """Makes httpx2's requests of ours. Parsed addresses are cached: a client asks few hosts."""

    def __init__(self) -> None:
        self._address = lru_cache(_KNOWN_ADDRESSES)(httpx2.URL)

    def make(
        self, request: HTTPRequest, limits: dict[str, float | None], **extensions: Any
    ) -> httpx2.Request:
        """A request to send; `limits` are the seconds to connect, read, write and await a pool."""
        return httpx2.Request(
            request.method,
            self._address(request.url),
            headers={**_HEADERS, **request.headers},
            content=request.body,
            extensions={"timeout": limits, **extensions},
        )


def make_road(tls: ssl.SSLContext, *, uses_proxies: bool) -> Road:
    """A road with connections of its own, which keep the deadline of `bounded.until`.

    `send` raises ConfigError for a host whose proxy cannot be used; others are not affected.
    """
    straight = httpx2.HTTPTransport(verify=tls, limits=_LIMITS)
    bound_sockets(straight)
    proxies = EnvironmentProxies()
    if not (uses_proxies and proxies.are_named):
        return Road(straight.handle_request, straight.close)
    through: dict[str, httpx2.HTTPTransport] = {}
    lock = threading.Lock()

    def send(request: httpx2.Request) -> httpx2.Response:
        address = proxies.find(str(request.url))
        if address is None:
            return straight.handle_request(request)
        with lock:
            if address not in through:
                with _usable_proxy():
                    made = httpx2.HTTPTransport(verify=tls, limits=_LIMITS, proxy=address)
                bound_sockets(made)
                through[address] = made
        return through[address].handle_request(request)

    def close() -> None:
        for one in (straight, *through.values()):
            one.close()

    return Road(send, close)


def make_async_road(tls: ssl.SSLContext, *, uses_proxies: bool) -> AsyncRoad:
    """`make_road` for asyncio."""
    straight = httpx2.AsyncHTTPTransport(verify=tls, limits=_LIMITS)
    proxies = EnvironmentProxies()
    if not (uses_proxies and proxies.are_named):
        return AsyncRoad(straight.handle_async_request, straight.aclose, is_straight=True)
    through: dict[str, httpx2.AsyncHTTPTransport] = {}

    async def send(request: httpx2.Request) -> httpx2.Response:
        address = proxies.find(str(request.url))
        if address is None:
            return await straight.handle_async_request(request)
        if address not in through:
            with _usable_proxy():
                through[address] = httpx2.AsyncHTTPTransport(
                    verify=tls, limits=_LIMITS, proxy=address
                )
        return await through[address].handle_async_request(request)

    async def close() -> None:
        for one in (straight, *through.values()):
            await one.aclose()

    return AsyncRoad(send, close, is_straight=False)


@contextmanager
def _usable_proxy() -> Generator[None]:
    try:
        yield
    except (ImportError, ValueError, httpx2.InvalidURL) as error:
        raise ConfigError(
            f"the proxy that the environment names cannot be used: {error}", key="HTTPS_PROXY"
        ) from error
