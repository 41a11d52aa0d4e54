"""The default transports of a client."""

from __future__ import annotations

from puna.client.settings import ClientSettings
from puna.transports.base import AsyncTransport, Transport
from puna.transports.per_loop import PerLoopTransport
from puna.transports.standard import AsyncStandardTransport, StandardTransport


def make_transport(settings: ClientSettings) -> Transport:
    """Hosts over HTTP, and the embedded model when it is asked for."""
    return StandardTransport(settings.tls)


def make_async_transport(settings: ClientSettings) -> AsyncTransport:
    """`make_transport` for asyncio."""
    return PerLoopTransport(lambda: AsyncStandardTransport(settings.tls))
