"""A gateway on a real socket of this process, in a thread with an event loop of its own.

with Live(config, admission=ledger) as live:
    socket = live.connect()
    live.do(lambda: live.app.change_keys(keys))
    live.reload(another_config)
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import uvicorn
import uvloop
from tests.support.asgi import directory_of

from puna.gateway.app import Gateway
from puna.gateway.server.protocol import GatewayProtocol
from puna.gateway.visit import Admission, VisitMeter
from puna.telemetry.events import Hook

T = TypeVar("T")


class Live:
    """A running gateway. Leaving the `with` ends it as SIGTERM would."""

    def __init__(
        self,
        config: str,
        *,
        hooks: tuple[Hook, ...] = (),
        admission: Admission | None = None,
        meters: Sequence[VisitMeter] = (),
        drain_s: int = 1,
    ) -> None:
        self.app = Gateway(directory_of(config), hooks=hooks, admission=admission, meters=meters)
        self._config = uvicorn.Config(
            self.app,
            http=GatewayProtocol,
            loop="none",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_graceful_shutdown=drain_s,
        )
        self.server = uvicorn.Server(self._config)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    def connect(self) -> socket.socket:
        """A client's connection."""
        made = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def do(self, act: Callable[[], T]) -> T:
        """What an act gives that is done on the gateway's own loop."""

        async def run() -> T:
            return act()

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(20)

    def reload(self, config: str, *, hooks: tuple[Hook, ...] = ()) -> None:
        """Have it serve with another configuration from now on."""
        directory = directory_of(config)
        self.do(lambda: self.app.swap(self.app.prepare(directory, hooks)))

    @property
    def open_connections(self) -> int:
        """Connections of clients that are open."""
        return self.do(lambda: len(self.server.server_state.connections))

    def stop(self) -> None:
        """End it: what is under way has `drain_s`."""
        self.server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_up.wait(30)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self) -> None:
        uvloop.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        serving: asyncio.Task[Any] = asyncio.ensure_future(
            self.server.serve(sockets=[self._socket])
        )
        while not self.server.started and not serving.done():  # noqa: ASYNC110 - as it says below
            await asyncio.sleep(0.001)  # uvicorn tells nobody that it has started
        self._is_up.set()
        await serving
        # A process would end now, and with it the connections of clients that do not leave.
        connections: set[Any] = self.server.server_state.connections
        for one in tuple(connections):
            one.transport.abort()
        while connections:  # noqa: ASYNC110 - the loop closes them on its next turns
            await asyncio.sleep(0)
