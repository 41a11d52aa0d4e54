"""Runs the gateway on uvicorn: sockets, signals, workers, and the words at start."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import uvicorn
from typing_extensions import override

from puna.embedded.supervisor import Supervisor, SupervisorPool
from puna.engine.clock import SystemClock
from puna.errors import ConfigError, PunaError
from puna.gateway.accounts_feed import open_feed
from puna.gateway.app import Gateway
from puna.gateway.deployments.directory import Directory
from puna.gateway.deployments.transport import recording_transport
from puna.gateway.server.protocol import GatewayProtocol
from puna.gateway.workers.greeting import greet
from puna.gateway.workers.processes import WorkerProcess, run_pool
from puna.gateway.workers.reload import Environment, Reloader, apply_logging, read_config
from puna.gateway.workers.schedule import WorkerPool, WorkerPoolLimits
from puna.gateway.workers.settings import (
    OPEN_HOST,
    ServeOptions,
    budget_notice,
    host_of,
)
from puna.telemetry.events import Hook
from puna.transports.proxies import environment_faults

Announce = Callable[[str], None]

_log = logging.getLogger("puna.gateway")

_OPTIONS_VARIABLE = "PUNA_SERVE_OPTIONS"
_PARENT_VARIABLE = "PUNA_SERVE_PARENT"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)
_POLL_S = 0.25
_BACKLOG = 2048
_AFTER_DRAIN_S = 10.0
"""For the rest of a worker's end: its hooks, its embedded model."""


def serve(options: ServeOptions, announce: Announce) -> None:
    """Serve until SIGTERM or SIGINT; running requests are finished first. Blocks.

    `announce` gets the lines for the operator.

    Raises:
        ConfigError: the configuration or the certificate is wrong, or the port is taken.
        APIError: a model or an address in it is wrong.
    """
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # what starts has nothing to replace
    early = _keep_early_hangup() if options.config is not None else ()
    environment = Environment()
    directory, hooks = read_config(options, environment)
    check_database(directory)
    raise_file_limit()
    apply_logging(options, directory)
    for notice in directory.notices:
        announce(notice.line_in(directory.config.file))
    for fault in environment_faults(os.environ):
        announce(f"warning: {fault}")
    of_budgets = budget_notice(options, directory)
    if of_budgets is not None:
        announce(of_budgets)
    host = host_of(options, directory)
    sockets = listen(host, options.port, announce)
    port, is_open = sockets[0].getsockname()[1], directory.is_open
    options = replace(options, port=port, listens_on=host, began_open=is_open)
    if options.num_workers > 1:
        # Each worker adds the file's variables by itself: those of a later file are another set.
        environment.add({})
        _serve_many(options, directory, environment, sockets, announce, early)
        return
    pool = SupervisorPool(lambda model: Supervisor(model, progress=announce))
    gateway = _make_gateway(options, directory, hooks, pool)
    reloader = Reloader(options, environment, gateway, reports_notices=True)
    server = _Server(
        _uvicorn_config(options, gateway),
        lambda: greet(options, directory, host, announce),
        reloader if options.config is not None else None,
        early,
    )
    try:
        server.run(sockets=sockets)
    finally:
        pool.stop_all()
    if not server.started:
        sys.exit(1)


def check_database(directory: Directory) -> None:
    """Check that the database can be used, where one is configured.

    Raises:
        ConfigError: it has another schema than this version needs, or cannot be named so.
        ServiceUnavailableError: it cannot be reached.
    """
    url = directory.config.server.database_url
    if url is None:
        return
    feed = open_feed(url, SystemClock())

    async def check() -> None:
        try:
            await feed.store.check_schema()
        finally:
            await feed.close()

    asyncio.run(check())


def _keep_early_hangup() -> set[int]:
    """Ignore SIGHUP until the server runs, and note it: the returned set holds it once it has come.

    The file may have been read before it was written, so the server reads it again at its start.
    """
    received = set[int]()
    signal.signal(signal.SIGHUP, lambda number, _: received.add(number))
    return received


def app_from_environment() -> Gateway:
    """The application of one of several workers. Its options stand in the environment."""
    options = ServeOptions.from_json(os.environ[_OPTIONS_VARIABLE])
    end_with_parent(int(os.environ[_PARENT_VARIABLE]))
    # What a terminal that closes tells all of its processes is passed over until it is ready. That
    # workers are to be replaced is for the parent, though systemd tells it to each process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    environment = Environment()
    try:
        directory, hooks = read_config(options, environment)
        apply_logging(options, directory)
        gateway = _make_gateway(options, directory, hooks, SupervisorPool())
    except PunaError as error:
        sys.exit(f"error: {error}")  # the parent says what comes of it
    gateway.on_hangup = Reloader(options, environment, gateway, reports_notices=False).request
    return gateway


def _make_gateway(
    options: ServeOptions, directory: Directory, hooks: tuple[Hook, ...], pool: SupervisorPool
) -> Gateway:
    """Make the gateway of this process, with its transport and its limit of open files."""
    transport = recording_transport(options.record, directory.environ, pool)
    gateway = Gateway(directory, transport=transport, hooks=hooks, pool=pool)
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    gateway.limit_clients(files)
    return gateway


def raise_file_limit() -> None:
    """Raise the process's limit of open files to the allowed maximum: a stream takes two files.

    Workers inherit it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):  # a system that counts otherwise than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def end_with_parent(parent_pid: int) -> None:
    """Terminate this worker when the process that started it is gone. A thread watches for that."""

    def watch() -> None:
        """Poll the parent's id, and send SIGTERM to this process when it changes."""
        while os.getppid() == parent_pid:
            time.sleep(_POLL_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


class _Server(uvicorn.Server):
    """uvicorn's server, which after a signal ends like any other program: with status 0.

    SIGHUP reloads the configuration; without a file it ends the server, as when a terminal closes.
    SIGUSR2 would replace workers, and there are none.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        greet: Callable[[], None],
        reloader: Reloader | None,
        early: Collection[int],
    ) -> None:
        """`early` holds SIGHUP where it came before the server could handle it."""
        super().__init__(config)
        self._early = early
        self._greet = greet
        self._reloader = reloader

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._greet()

    @override
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)
        if self._early:
            loop.call_soon(self._on_signal, signal.SIGHUP)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
            # What ends has nothing to reload or to replace, and ends in order.
            signal.signal(signal.SIGUSR2, signal.SIG_IGN)
            if self._reloader is not None:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _on_signal(self, number: int) -> None:
        """Reload on SIGHUP, warn of SIGUSR2; end the server on all other signals."""
        if number == signal.SIGUSR2:
            _log.warning(
                "SIGUSR2 replaces workers, and there is only this process. Restart it after an "
                "update; SIGHUP reloads the configuration."
            )
        elif number == signal.SIGHUP and self._reloader is not None:
            self._reloader.request(self.config.ssl)
        else:
            self.handle_exit(number, None)


def _serve_many(
    options: ServeOptions,
    directory: Directory,
    environment: Environment,
    sockets: list[socket.socket],
    announce: Announce,
    early: Collection[int],
) -> None:
    """Run several worker processes on the same sockets, as their parent. Blocks."""
    os.environ[_OPTIONS_VARIABLE] = options.to_json()
    os.environ[_PARENT_VARIABLE] = str(os.getpid())
    config = _uvicorn_config(options, "puna.gateway.workers.run:app_from_environment")
    pool = WorkerPool(
        size=options.num_workers,
        make=lambda: WorkerProcess(config, sockets),
        announce=announce,
        on_ready=lambda: greet(options, directory, host_of(options, directory), announce),
        limits=WorkerPoolLimits(end_s=options.drain_s + _AFTER_DRAIN_S),
    )
    may_change = partial(_is_loadable, options, environment, announce)
    run_pool(pool, sockets, may_change, early, has_file=options.config is not None)
    if pool.has_failed:
        sys.exit(1)


def _is_loadable(options: ServeOptions, environment: Environment, announce: Announce) -> bool:
    """Whether the configuration can be served as it stands now; if not, prints why."""
    try:
        directory, _ = read_config(options, environment)
    except PunaError as error:
        announce(f"error: {error}; the workers stay as they are")
        return False
    except Exception:  # noqa: BLE001 - whatever is wrong, the workers serve on
        _log.exception("The configuration cannot be read; the workers stay as they are")
        return False
    finally:
        environment.add({})
    for notice in directory.notices:
        announce(notice.line_in(directory.config.file))
    return True


def _uvicorn_config(options: ServeOptions, app: Any) -> uvicorn.Config:
    """The settings of uvicorn.

    Its protocol and loop are the gateway's, its log and headers are off.
    """
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=options.num_workers,
        http=GatewayProtocol,
        loop="puna.gateway.server.event_loop:GatewayLoop",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=options.keepalive_timeout,
        timeout_graceful_shutdown=options.drain_s,
        limit_concurrency=options.limit_concurrency,
        ssl_keyfile=options.ssl_keyfile_path,
        ssl_certfile=options.ssl_certfile_path,
    )


def listen(host: str, port: int, announce: Announce) -> list[socket.socket]:
    """Bind the sockets of a host and port.

    For `localhost` both loopback addresses: clients try either.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sockets = [socket.create_server((host, port), family=family, backlog=_BACKLOG)]
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another `--port` "
            "or end what uses it",
            key="port",
        ) from error
    if host == OPEN_HOST and socket.has_ipv6:
        bound = sockets[0].getsockname()[1]
        try:
            six = socket.create_server(("::1", bound), family=socket.AF_INET6, backlog=_BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                announce(
                    f"WARNING: another program has [::1]:{bound}, and answers clients that try "
                    "`localhost` over IPv6 first; choose another `--port`, or end it"
                )
            return sockets  # else a machine without IPv6
        sockets.append(six)
    return sockets
