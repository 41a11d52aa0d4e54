"""Reads the configuration file again on SIGHUP, and has a worker serve with it.

With several workers the parent reads the file first; when it can be used, the parent has each
worker do the same. Wherever reading fails, nothing has changed: the worker serves on with the
configuration that it has, and the log says what is wrong, with file, line and key.

Not read again are the options of the command line, so host, port, the number of workers and the
paths of TLS files stay. The content of the TLS files is read again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Mapping
from functools import partial

from puna.errors import ConfigError, PunaError
from puna.gateway.app import Gateway
from puna.gateway.deployments.directory import Directory
from puna.gateway.hooks import load_hooks
from puna.gateway.logs.lines import set_up_logging
from puna.gateway.workers.daemon_thread import start_in_thread
from puna.gateway.workers.settings import (
    ServeOptions,
    check_address,
    check_budgets,
    check_certificate,
    host_of,
    load_directory,
)
from puna.telemetry.events import Hook
from puna.transports.proxies import environment_faults
from puna.types.secret import Secret

_log = logging.getLogger("puna.gateway")

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Environment:
    """Sets and unsets the variables of the configuration file in this process's environment.

    Attributes:
        own: the environment without them, as it was when this object was made.
    """

    def __init__(self) -> None:
        self.own: Mapping[str, str] = dict(os.environ)
        self._added: tuple[str, ...] = ()

    def add(self, variables: Mapping[str, Secret]) -> None:
        """Set the variables of a file, for libraries that read the environment.

        Unset the earlier ones.
        """
        wanted = {name: self.own.get(name) for name in self._added}
        wanted |= {name: value.reveal() for name, value in variables.items()}
        self._added = tuple(variables)
        for name, value in wanted.items():
            # What stays is not written: other threads may be reading the environment.
            if value is None:
                os.environ.pop(name, None)
            elif os.environ.get(name) != value:
                os.environ[name] = value


def read_config(
    options: ServeOptions, environment: Environment
) -> tuple[Directory, tuple[Hook, ...]]:
    """Read the configuration and its hooks, and set its variables. Called at start and on SIGHUP.

    Raises:
        ConfigError: it is wrong, or cannot be served at the present address.
        APIError: a model or an address in it is wrong.
    """
    check_certificate(options)
    directory = load_directory(options, environment.own)
    check_address(options, directory)
    check_budgets(options, directory)
    environment.add(directory.config.environment)
    return directory, load_hooks(directory.config)


def apply_logging(options: ServeOptions, directory: Directory) -> None:
    """Set up logging as the options and the file ask."""
    settings = directory.config.settings
    set_up_logging(is_debug=options.debug or settings.set_verbose, is_json=settings.json_logs)


class Reloader:
    """Reloads the configuration of one gateway, one reload after the other.

    `reports_notices` is whether warnings about the new configuration are logged; of several workers
    the parent reports them.
    """

    def __init__(
        self,
        options: ServeOptions,
        environment: Environment,
        gateway: Gateway,
        *,
        reports_notices: bool,
    ) -> None:
        self._options = options
        self._environment = environment
        self._gateway = gateway
        self._reports_notices = reports_notices
        self._task: asyncio.Task[None] | None = None
        self._is_wanted = False

    def request(self, tls: ssl.SSLContext | None) -> None:
        """Start a reload, or another one after the present. Called on the event loop at SIGHUP.

        `tls` is the server's own context, whose certificate is read again.
        """
        self._is_wanted = True
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(tls))

    async def _run(self, tls: ssl.SSLContext | None) -> None:
        """Reload as long as a reload is wanted. One task at a time runs it."""
        try:
            while self._is_wanted:
                self._is_wanted = False
                await self._reload(tls)
        finally:
            self._task = None

    async def _reload(self, tls: ssl.SSLContext | None) -> None:
        """Make the new configuration beside the present one, then swap them; or change nothing."""
        gateway, options = self._gateway, self._options
        before = gateway.config.directory
        try:
            directory, hooks = await self._read()
            await gateway.warm_up(directory)
            if gateway.is_ending:
                return
            config = gateway.prepare(directory, hooks)
            if tls is not None and options.ssl_certfile_path is not None:
                # Once more: where it fails on the context that serves, no client can connect.
                check_certificate(options)
                tls.load_cert_chain(options.ssl_certfile_path, options.ssl_keyfile_path)
        except Exception as error:  # noqa: BLE001 - whatever is wrong, the gateway serves on
            self._environment.add(before.config.environment)
            _report_failure(error)
            return
        gateway.swap(config)
        self._report(before, directory)

    async def _read(self) -> tuple[Directory, tuple[Hook, ...]]:
        """Read the configuration in a thread, because a hook's file may wait for a host."""
        read = partial(read_config, self._options, self._environment)
        return await asyncio.wrap_future(start_in_thread(read, "configuration"))

    def _report(self, before: Directory, after: Directory) -> None:
        """Log that the configuration has changed, its warnings, and what needs a restart."""
        was, now = before.config.settings, after.config.settings
        if (was.json_logs, was.set_verbose) != (now.json_logs, now.set_verbose):
            apply_logging(self._options, after)
        _log.info("The configuration was reloaded: %d usable deployments", len(after.ready))
        if after.is_open and not before.is_open:
            _log.warning(
                "There is no master key any more: every request is answered, for everyone who can "
                "reach %s",
                self._options.listens_on,
            )
        wanted = host_of(self._options, after)
        if wanted != self._options.listens_on:
            _log.warning(
                "The configuration has a master key now, and would be served on %s. The gateway "
                "listens on %s until it is restarted.",
                wanted,
                self._options.listens_on,
            )
        if self._reports_notices:
            for notice in after.notices:
                _log.log(_LEVELS[notice.severity], "%s", notice.line_in(after.config.file))
            for fault in environment_faults(os.environ):
                _log.warning("%s", fault)


def _report_failure(error: Exception) -> None:
    """Log why a reload failed; the current configuration stays."""
    if not isinstance(error, PunaError | OSError):
        _log.error("The configuration is not reloaded", exc_info=error)
        return
    problems = error.problems if isinstance(error, ConfigError) else (str(error),)
    for problem in problems:
        _log.error("The configuration is not reloaded, and stays as it is: %s", problem)
