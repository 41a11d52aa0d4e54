"""The roads to hosts, over httpx2: a straight one, or the one through the environment's proxies.

httpx2's client is for redirects, cookies, logins and proxies. Puna follows no redirect, keeps no
cookie and writes its own `Authorization`; so where the environment names no proxy, a request goes
to httpx2's transport itself: the same connections at half the price.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import lru_cache, partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, NamedTuple
from urllib.request import getproxies

import httpx2

from puna.errors import ConfigError
from puna.transports.bounded import bound_sockets
from puna.version import __version__
from puna.wire.http import HTTPRequest

_HEADERS = {
    "connection": "keep-alive",
    "accept-encoding": "gzip, deflate",
    "user-agent": f"puna/{__version__}",
}
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=30.0)
_PROXIED = ("http", "https", "all")
_KNOWN_ADDRESSES = 64


class Road(NamedTuple):
    """Carries requests, and closes its connections; `send` gives a reply without its body."""

    send: Callable[[httpx2.Request], httpx2.Response]
    close: Callable[[], None]


class AsyncRoad(NamedTuple):
    """`Road` for asyncio. `is_straight` is whether no proxy stands on it."""

    send: Callable[[httpx2.Request], Awaitable[httpx2.Response]]
    close: Callable[[], Awaitable[None]]
    is_straight: bool


class RequestMaker:
    """Our requests as httpx2's. Addresses are parsed once: a client asks few, again and again."""

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

    Raises:
        ConfigError: a proxy that the environment names cannot be used.
    """
    if not (uses_proxies and _has_proxies()):
        straight = httpx2.HTTPTransport(verify=tls, limits=_LIMITS)
        bound_sockets(straight)
        return Road(straight.handle_request, straight.close)
    with _usable_proxies():
        client = httpx2.Client(
            verify=tls, limits=_LIMITS, follow_redirects=False, cookies=_no_cookies()
        )
    # One transport for each proxy, and one for the hosts that are excepted; see `bound_sockets`.
    own = client._transport, *client._mounts.values()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    for transport in own:
        if isinstance(transport, httpx2.HTTPTransport):
            bound_sockets(transport)
    return Road(partial(client.send, stream=True), client.close)


def make_async_road(tls: ssl.SSLContext, *, uses_proxies: bool) -> AsyncRoad:
    """`make_road` for asyncio."""
    if not (uses_proxies and _has_proxies()):
        straight = httpx2.AsyncHTTPTransport(verify=tls, limits=_LIMITS)
        return AsyncRoad(straight.handle_async_request, straight.aclose, is_straight=True)
    with _usable_proxies():
        client = httpx2.AsyncClient(
            verify=tls, limits=_LIMITS, follow_redirects=False, cookies=_no_cookies()
        )
    return AsyncRoad(partial(client.send, stream=True), client.aclose, is_straight=False)


def _has_proxies() -> bool:
    """Whether the environment names a proxy; where httpx2 looks, and like it when made."""
    proxies = getproxies()
    return any(proxies.get(scheme) for scheme in _PROXIED)


@contextmanager
def _usable_proxies() -> Generator[None]:
    """httpx2 reads `HTTPS_PROXY` and the like when a client is made."""
    try:
        yield
    except (ImportError, ValueError, httpx2.InvalidURL) as error:
        raise ConfigError(
            f"a proxy that the environment names cannot be used: {error}", key="HTTPS_PROXY"
        ) from error


def _no_cookies() -> CookieJar:
    """A jar that keeps nothing: what one call is told must not be sent with another's."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))
