"""How asyncio reaches hosts: lean, or standard where a proxy of the environment is."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from puna.transports.base import AsyncOpenReply
from puna.transports.lean import LeanTransport, PreparedRequest
from puna.transports.standard import AsyncStandardTransport
from puna.transports.tls import TLSConfig
from puna.wire.http import HTTPRequest

_MOST_HOSTS = 1_024


class ProxyAwareTransport:
    """Lean, unless the environment names a proxy for an address. For one event loop."""

    def __init__(self, tls: TLSConfig | None = None) -> None:
        self.lean = LeanTransport(tls)
        self._tls = tls
        self._standard: AsyncStandardTransport | None = None
        self._proxies = _proxies_of_environment()
        self._has_proxy = lru_cache(_MOST_HOSTS)(self._find)

    async def open(self, request: HTTPRequest) -> AsyncOpenReply:
        """Send by the way that the environment asks for."""
        if not self.is_proxied(request.url):
            return await self.lean.open(request)
        if self._standard is None:
            self._standard = AsyncStandardTransport(self._tls)
        return await self._standard.open(request)

    def prepare(self, request: HTTPRequest) -> PreparedRequest:
        """What sends a request to an address that this can carry, with one body after the other.

        Raises:
            ValueError: it cannot be sent.
        """
        return self.lean.prepare(request)

    def can_carry(self, url: str) -> bool:
        """Whether `prepare` reaches an address: HTTP, with no proxy before it."""
        return url.startswith("http") and not self.is_proxied(url)

    async def close(self) -> None:
        """Close all connections."""
        await self.lean.close()
        if self._standard is not None:
            await self._standard.close()

    def abandon(self) -> None:
        """Close the sockets of a loop that is closed."""
        self.lean.abandon()
        self._standard = None  # its sockets close with it

    def is_proxied(self, url: str) -> bool:
        """Whether a proxy carries what goes there."""
        if not self._proxies:
            return False
        try:
            parts = urlsplit(url)
            return self._has_proxy(parts.scheme, parts.hostname or "", parts.port)
        except ValueError:  # no URL: the lean transport says why
            return False

    def _find(self, scheme: str, host: str, port: int | None) -> bool:
        if not (self._proxies.get(scheme) or self._proxies.get("all")):
            return False
        where = host if port is None else f"{host}:{port}"
        return not proxy_bypass(where, self._proxies)


def _proxies_of_environment() -> dict[str, str]:
    """`HTTP_PROXY` and the like, where they name any; `NO_PROXY` alone is no proxy."""
    proxies = getproxies()
    named = any(url for scheme, url in proxies.items() if scheme in ("http", "https", "all"))
    return proxies if named else {}
