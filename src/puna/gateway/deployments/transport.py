"""How the gateway reaches its upstreams."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from puna.client.settings import ClientSettings
from puna.embedded.supervisor import SupervisorPool
from puna.transports.base import AsyncOpenReply, AsyncTransport
from puna.transports.embedded import AsyncEmbeddedTransport
from puna.transports.lean import LeanTransport
from puna.transports.per_loop import PerLoopTransport
from puna.transports.proxy_aware import ProxyAwareTransport
from puna.transports.recorder import Recorder
from puna.transports.recording import AsyncRecordingTransport
from puna.wire.http import HTTPRequest


class GatewayTransport:
    """Sends a worker's requests, to hosts or to the process of an embedded model."""

    def __init__(self, settings: ClientSettings, pool: SupervisorPool) -> None:
        self._hosts = PerLoopTransport(partial(ProxyAwareTransport, settings.tls))
        local = PerLoopTransport(LeanTransport)
        self._all: AsyncTransport = AsyncEmbeddedTransport(self._hosts, pool, local)

    async def open(self, request: HTTPRequest) -> AsyncOpenReply:
        """Send a request and wait for its reply's head."""
        return await self._all.open(request)

    async def close(self) -> None:
        """Close all connections of this loop; the embedded model's processes go on."""
        await self._all.close()

    def to_hosts(self) -> ProxyAwareTransport:
        """The running loop's transport to hosts, which the fast lane uses by callbacks."""
        return self._hosts.current()


def recording_transport(
    place: str | None, environ: Mapping[str, str], pool: SupervisorPool
) -> AsyncTransport | None:
    """The transport for `puna record`.

    It writes all replies to the file `place`, in a folder to one file for each process. None
    without a place.

    It takes no callbacks, so every request takes the full lane.

    Raises:
        ConfigError: the file cannot be written.
    """
    if place is None:
        return None
    file = Path(place)
    if file.is_dir():
        file /= f"puna-{os.getpid()}.json"
    return AsyncRecordingTransport(
        GatewayTransport(ClientSettings(environ=environ), pool), Recorder(file)
    )
