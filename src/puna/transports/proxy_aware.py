"""The transport of asyncio callers: lean, or standard where the environment names a proxy."""

from __future__ import annotations

from puna.transports.base import AsyncOpenReply
from puna.transports.lean import Exchange, LeanTransport, PreparedRequest, ReplySink
from puna.transports.proxies import EnvironmentProxies
from puna.transports.standard import AsyncStandardTransport
from puna.transports.tls import TLSConfig
from puna.wire.http import HTTPRequest


class ProxyAwareTransport:
    """Sends over the lean transport, or over the standard one to hosts behind a proxy.

    For one event loop.
    """

    def __init__(self, tls: TLSConfig | None = None) -> None:
        self.lean = LeanTransport(tls)
        self._tls = tls
        self._standard: AsyncStandardTransport | None = None
        self.proxies = EnvironmentProxies()

    async def open(self, request: HTTPRequest) -> AsyncOpenReply:
        """Send the request, if need be through a proxy, and wait for the reply's headers."""
        if not self.is_proxied(request.url):
            return await self.lean.open(request)
        if self._standard is None:
            self._standard = AsyncStandardTransport(self._tls)
        return await self._standard.open(request)

    def start(self, request: HTTPRequest, sink: ReplySink) -> Exchange:
        """Send a request with callbacks, as `LeanTransport.start`. Its URL must pass `can_send`."""
        return self.lean.start(request, sink)

    def prepare(self, request: HTTPRequest) -> PreparedRequest:
        """Check a request's head once, as `LeanTransport.prepare`. Its URL must pass `can_send`.

        Raises:
            ValueError: its URL, method or headers cannot be sent.
        """
        return self.lean.prepare(request)

    def can_send(self, url: str) -> bool:
        """Whether `start` and `prepare` reach a URL: it is HTTP, and no proxy is named for it."""
        return url.startswith("http") and not self.is_proxied(url)

    async def close(self) -> None:
        """Close all connections."""
        await self.lean.close()
        if self._standard is not None:
            await self._standard.close()

    def abandon(self) -> None:
        """Close the sockets of an event loop that is closed."""
        self.lean.abandon()
        self._standard = None  # its sockets close with it

    def is_proxied(self, url: str) -> bool:
        """Whether requests to a URL go through a proxy."""
        return self.proxies.find(url) is not None
