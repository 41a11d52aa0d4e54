"""How asyncio reaches hosts: lean, or standard where a proxy of the environment is."""

from __future__ import annotations

from puna.transports.base import AsyncOpenReply
from puna.transports.lean import Exchange, LeanTransport, PreparedRequest, ReplySink
from puna.transports.proxies import EnvironmentProxies
from puna.transports.standard import AsyncStandardTransport
from puna.transports.tls import TLSConfig
from puna.wire.http import HTTPRequest


class ProxyAwareTransport:
    """Lean, unless the environment names a proxy for an address. For one event loop."""

    def __init__(self, tls: TLSConfig | None = None) -> None:
        self.lean = LeanTransport(tls)
        self._tls = tls
        self._standard: AsyncStandardTransport | None = None
        self.proxies = EnvironmentProxies()

    async def open(self, request: HTTPRequest) -> AsyncOpenReply:
        """Send by the way that the environment asks for."""
        if not self.is_proxied(request.url):
            return await self.lean.open(request)
        if self._standard is None:
            self._standard = AsyncStandardTransport(self._tls)
        return await self._standard.open(request)

    def start(self, request: HTTPRequest, sink: ReplySink) -> Exchange:
        """Send a request to an address that this can carry; `sink` hears of its reply."""
        return self.lean.start(request, sink)

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
        return self.proxies.find(url) is not None
