"""Builds the transport of a client: to hosts over HTTP, and to the embedded model's process."""

from __future__ import annotations

from functools import partial

from puna.client.settings import ClientSettings
from puna.embedded.supervisor import SupervisorPool
from puna.transports.base import AsyncTransport, Transport
from puna.transports.embedded import AsyncEmbeddedTransport, EmbeddedTransport
from puna.transports.per_loop import PerLoopTransport
from puna.transports.standard import StandardTransport


def make_transport(settings: ClientSettings, pool: SupervisorPool) -> Transport:
    """Build a synchronous client's transport.

    `embedded://` requests go to the processes of `pool`.
    """
    local = StandardTransport(settings.tls, uses_proxies=False)
    return EmbeddedTransport(StandardTransport(settings.tls), pool, local)


def make_async_transport(settings: ClientSettings, pool: SupervisorPool) -> AsyncTransport:
    """`make_transport` for asyncio, one event loop after the other."""
    # Only who uses asyncio loads its HTTP parser.
    from puna.transports.lean import LeanTransport
    from puna.transports.proxy_aware import ProxyAwareTransport

    hosts = PerLoopTransport(partial(ProxyAwareTransport, settings.tls))
    local = PerLoopTransport(LeanTransport)
    return AsyncEmbeddedTransport(hosts, pool, local)
