"""A gateway between two connections without sockets: a client's, and the one to its upstream.

Everything of `puna serve` is there but the sockets: uvicorn's protocol, both lanes, the lean
transport with its pool. `benchmarks/instructions_child.py` counts what it does.
"""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from benchmarks.upstream import model_name
from puna.client.settings import ClientSettings
from puna.embedded.supervisor import SupervisorPool
from puna.gateway.app import Gateway
from puna.gateway.deployments.transport import GatewayTransport
from puna.gateway.server.protocol import GatewayProtocol
from puna.gateway.visit import VisitMeter
from puna.gateway.workers.settings import ServeOptions, load_directory
from puna.telemetry.events import Hook
from puna.transports.lean import LeanTransport, PoolLimits
from puna.transports.lean.connection import Connection
from puna.transports.lean.head import Origin

KEY = "sk-" + "a" * 48
MODEL = model_name(64, 0)
_NO_PARAMS: Mapping[str, Any] = {}
_LONG_S = 3600  # nothing ends by time, however slowly the program runs


class Line(asyncio.Transport):
    """One end of a connection. `written` is for its reader to clear."""

    def __init__(self, sock: socket.socket | None = None) -> None:
        super().__init__({} if sock is None else {"socket": sock})
        self.written: list[bytes] = []
        self.is_closed = False
        self._protocol: asyncio.Protocol | None = None

    def connect(self, protocol: asyncio.Protocol) -> None:
        """Give the connection to what serves it."""
        self._protocol = protocol
        protocol.connection_made(self)

    def write(self, data: Any) -> None:
        """Keep it."""
        self.written.append(data)

    def writelines(self, list_of_data: Any) -> None:
        """Keep each, as uvloop's transport does: they are not joined."""
        self.written += list_of_data

    def is_closing(self) -> bool:
        """Whether the gateway has closed it."""
        return self.is_closed

    def get_write_buffer_size(self) -> int:
        """All is sent at once."""
        return 0

    def pause_reading(self) -> None:
        """Who drives the gateway says when something comes."""

    def resume_reading(self) -> None:
        """The same."""

    def close(self) -> None:
        """End it, as a loop would: on its next turn."""
        if not self.is_closed and self._protocol is not None:
            self.is_closed = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    abort = close


class MemoryGateway:
    """A gateway with one client connection and one to its upstream. Needs a running loop.

    Attributes:
        client: the client's connection; `reply` is what was written to it.
        upstream: the connection to the upstream, from the first request on; `asked` is what was
            written to that.

    `params` are what the deployment has in the config beside its host, `settings` what the config
    has as `litellm_settings`.
    """

    upstream: Connection

    def __init__(
        self,
        hooks: tuple[Hook, ...] = (),
        params: Mapping[str, Any] = _NO_PARAMS,
        meters: tuple[VisitMeter, ...] = (),
        settings: Mapping[str, Any] = _NO_PARAMS,
    ) -> None:
        # A kept connection is polled before it is used again, which takes a real socket.
        near, self._far = socket.socketpair()
        self.asked, self.reply = Line(near), Line()
        transport = GatewayTransport(ClientSettings(environ={}), SupervisorPool())
        transport.to_hosts().lean = LeanTransport(
            dialer=self._dial, limits=PoolLimits(idle_s=_LONG_S, age_s=_LONG_S)
        )
        app = Gateway(_directory(params, settings), transport=transport, hooks=hooks, meters=meters)
        app.open_fast_lane()
        config = uvicorn.Config(
            app,
            http=GatewayProtocol,
            lifespan="off",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            timeout_keep_alive=_LONG_S,
        )
        config.load()
        state = ServerState()
        state.default_headers = [(b"date", b"Wed, 25 Nov 2026 17:19:57 GMT")]
        self.client = GatewayProtocol(config, state, {}, asyncio.get_running_loop())
        self.reply.connect(self.client)

    @property
    def is_kept(self) -> bool:
        """Whether both connections are open."""
        return not (self.asked.is_closed or self.reply.is_closed)

    async def _dial(self, origin: Origin, make: Callable[[], Connection]) -> None:
        del origin
        self.upstream = make()
        self.asked.connect(self.upstream)


def _directory(params: Mapping[str, Any], settings: Mapping[str, Any]) -> Any:
    """What `puna serve --config` makes of a file with one model and a master key."""
    deployment = {
        "model": f"openai/{MODEL}",
        "api_base": "http://127.0.0.1:9/v1",
        "api_key": "k",
        **params,
    }
    config = {
        "model_list": [{"model_name": MODEL, "litellm_params": deployment}],
        "general_settings": {"master_key": KEY},
        "litellm_settings": settings,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.yaml")
        path.write_text(json.dumps(config))  # JSON is YAML
        return load_directory(ServeOptions(config=str(path)), {})
