"""Runs the gateway on uvicorn: sockets, signals, workers, and the words at start."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import uvicorn
from typing_extensions import override

from puna.embedded.supervisor import Supervisor, SupervisorPool
from puna.errors import ConfigError, PunaError
from puna.gateway.app import Gateway
from puna.gateway.deployments.directory import Directory
from puna.gateway.deployments.transport import recording_transport
from puna.gateway.hooks import load_hooks
from puna.gateway.logs.lines import set_up_logging
from puna.gateway.server.protocol import GatewayProtocol
from puna.gateway.workers.greeting import greet
from puna.gateway.workers.processes import WorkerProcess, run_pool
from puna.gateway.workers.schedule import WorkerPool, WorkerPoolLimits
from puna.gateway.workers.settings import (
    OPEN_HOST,
    ServeOptions,
    host_of,
    load_directory,
)
from puna.telemetry.events import Hook
from puna.transports.proxies import environment_faults

Announce = Callable[[str], None]

_OPTIONS_VARIABLE = "PUNA_SERVE_OPTIONS"
_PARENT_VARIABLE = "PUNA_SERVE_PARENT"
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
    own = dict(os.environ)
    _check_certificate(options)
    directory = load_directory(options, os.environ)
    raise_file_limit()
    _set_up(options, directory)
    hooks = load_hooks(directory.config)
    for notice in directory.notices:
        announce(notice.line_in(directory.config.file))
    for fault in environment_faults(os.environ):
        announce(f"warning: {fault}")
    host = host_of(options, directory)
    sockets = listen(host, options.port, announce)
    options = replace(options, port=sockets[0].getsockname()[1])
    if options.num_workers > 1:
        # Each worker adds the file's variables by itself: those of a later file are another set.
        os.environ.clear()
        os.environ.update(own)
        _serve_many(options, directory, sockets, announce)
        return
    pool = SupervisorPool(lambda model: Supervisor(model, progress=announce))
    server = _Server(
        _uvicorn_config(options, _make_gateway(options, directory, hooks, pool)),
        lambda: greet(options, directory, host, announce),
    )
    try:
        server.run(sockets=sockets)
    finally:
        pool.stop_all()
    if not server.started:
        sys.exit(1)


def app_from_environment() -> Gateway:
    """The application of one worker of several; its options stand in the environment."""
    options = ServeOptions.from_json(os.environ[_OPTIONS_VARIABLE])
    end_with_parent(int(os.environ[_PARENT_VARIABLE]))
    # A terminal that closes tells all of its processes; the parent decides what comes of it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        directory = load_directory(options, os.environ)
        _set_up(options, directory)
        return _make_gateway(options, directory, load_hooks(directory.config), SupervisorPool())
    except PunaError as error:
        sys.exit(f"error: {error}")  # the parent says what comes of it


def _make_gateway(
    options: ServeOptions, directory: Directory, hooks: tuple[Hook, ...], pool: SupervisorPool
) -> Gateway:
    transport = recording_transport(options.record, directory.environ, pool)
    gateway = Gateway(directory, transport=transport, hooks=hooks, pool=pool)
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    gateway.limit_clients(files)
    return gateway


def raise_file_limit() -> None:
    """Take all the open files that are allowed: a stream holds two, and 1,024 are usual at first.

    Workers inherit it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):  # a system that counts otherwise than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def end_with_parent(parent_pid: int) -> None:
    """End this process, in order, when the process that started it is gone."""

    def watch() -> None:
        while os.getppid() == parent_pid:
            time.sleep(_POLL_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


def _set_up(options: ServeOptions, directory: Directory) -> None:
    settings = directory.config.settings
    set_up_logging(is_debug=options.debug or settings.set_verbose, is_json=settings.json_logs)
    _apply_environment(directory)


class _Server(uvicorn.Server):
    """uvicorn's server, which after a signal ends like any other program: with status 0."""

    def __init__(self, config: uvicorn.Config, greet: Callable[[], None]) -> None:
        super().__init__(config)
        self._greet = greet

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._greet()

    @override
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


def _serve_many(
    options: ServeOptions, directory: Directory, sockets: list[socket.socket], announce: Announce
) -> None:
    """Several worker processes on the same sockets."""
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
    run_pool(pool, sockets, lambda: _is_loadable(options, announce))
    if pool.has_failed:
        sys.exit(1)


def _is_loadable(options: ServeOptions, announce: Announce) -> bool:
    """Whether the configuration, as it stands now, can be served. Where not, says why."""
    try:
        load_directory(options, os.environ)
    except PunaError as error:
        announce(f"error: {error}; the workers stay as they are")
        return False
    return True


def _uvicorn_config(options: ServeOptions, app: Any) -> uvicorn.Config:
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
    """Bound sockets. On this machine only, both loopback addresses: clients try either."""
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


def _check_certificate(options: ServeOptions) -> None:
    """What uvicorn would only fail on, in each worker."""
    certificate, key = options.ssl_certfile_path, options.ssl_keyfile_path
    if certificate is None:
        if key is not None:
            raise ConfigError("`--ssl_keyfile_path` needs `--ssl_certfile_path` beside it")
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:
        raise ConfigError(
            f"cannot serve with `--ssl_certfile_path {certificate}`"
            f"{f' and `--ssl_keyfile_path {key}`' if key else ''}: {error.strerror or error}; give "
            "a certificate in PEM, and the key that belongs to it"
        ) from error


def _apply_environment(directory: Directory) -> None:
    """The file's `environment_variables`, for libraries that read the process's environment."""
    variables: Mapping[str, Any] = directory.config.environment
    os.environ.update({name: value.reveal() for name, value in variables.items()})
