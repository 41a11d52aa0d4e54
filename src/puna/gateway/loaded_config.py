"""All that follows from one configuration, as one value that a reload replaces as a whole.

A gateway serves with one `LoadedConfig`. A reload makes the next one beside it and swaps the two
(`Gateway.swap`). Each request is served with the configuration that was the current one when it
began, to its end; the next request on the same connection is served with the new one. When the last
request of an earlier configuration has ended, the gateway drops it and closes what only that one
used (`Closable`).

Kept by the worker, whatever the configuration (`WorkerParts`): clock, log, visits, meters, what is
spent of budgets, tasks of hooks, processes of embedded models. Passed on from one configuration to
the next while nothing about them changes: connections to hosts, the store of responses, and what is
known of the health of each deployment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Protocol

from puna.client.settings import ClientSettings
from puna.config.schema import ServerConfig
from puna.embedded.supervisor import SupervisorPool
from puna.engine.asynchronous import AsyncEngine
from puna.engine.clock import Clock
from puna.engine.drive import DriveContext
from puna.errors import ConfigError
from puna.gateway.accounts_feed import AccountsFeed
from puna.gateway.admin.api import AdminAPI
from puna.gateway.admission import BudgetAdmission
from puna.gateway.answers.replies import Reply, crash_error, json_reply
from puna.gateway.budget_rules import BudgetRules
from puna.gateway.deployments.directory import Directory
from puna.gateway.deployments.transport import GatewayTransport
from puna.gateway.endpoints.chat import Pipeline, retry_policy
from puna.gateway.endpoints.paths import WITH_DATABASE, WITHOUT_DATABASE, PathTable
from puna.gateway.endpoints.responses import ResponsesAPI
from puna.gateway.endpoints.rows import Endpoint, GatewayParts
from puna.gateway.endpoints.shown_paths import ShownPaths
from puna.gateway.hooks import contained
from puna.gateway.passing.lane import FastLane, Shape
from puna.gateway.passing.messages import bridge_messages
from puna.gateway.passing.responses import ResponsesShape
from puna.gateway.passing.routes import CallbackTransport, FastRoutes
from puna.gateway.requests.web_pages import PageRules
from puna.gateway.visit import Visit, Visits
from puna.governance.access import ModelNames
from puna.governance.keys import Keys
from puna.governance.store.base import ResponseStore
from puna.governance.store.memory import MemoryStore
from puna.governance.store.sqlite import SQLiteStore
from puna.routing.health import CooldownPolicy, Health
from puna.telemetry.events import Hook, HookTasks
from puna.transports.base import AsyncTransport

_OF_CERTIFICATES: Final = frozenset(("SSL_CERT_FILE", "SSL_CERT_DIR"))


class Closable(Protocol):
    """What a configuration holds open: its transport, or its store of responses."""

    def close(self) -> Coroutine[Any, Any, None]:
        """Close connections and files."""
        ...


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """The parts of a worker that stay when the configuration changes.

    `transport` is None for one that is made from the configuration. `lane_transport` likewise
    stands in for the fast lane's way to hosts. `budgets` counts what is spent, and is None where
    another admission decides. `feed` reads the accounts of the database; None without one.
    """

    clock: Clock
    pool: SupervisorPool
    visits: Visits
    hook_tasks: HookTasks
    transport: AsyncTransport | None
    lane_transport: CallbackTransport | None
    budgets: BudgetAdmission | None = None
    feed: AccountsFeed | None = None


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class LoadedConfig:
    """One configuration, ready to serve requests. Only `visits` ever changes.

    Attributes:
        directory: the models, and what the operator wrote.
        keys: who may call. Each configuration has a version of its own, so that what was known of
            keys and heads under an earlier one counts no more.
        endpoints: the paths that are served.
        parts: what the endpoints use.
        transport: the way to hosts.
        budget_rules: the budgets that the operator wrote.
        fast_lane: None where the transport takes no callbacks, or before the server has started.
        responses_shape: what converts requests of the Responses API for the fast lane.
        visits: the requests over ASGI that are being served with this configuration.
    """

    directory: Directory
    hooks: tuple[Hook, ...] = field(repr=False)
    keys: Keys
    pages: PageRules
    paths: ShownPaths = field(repr=False)
    endpoints: PathTable = field(repr=False)
    parts: GatewayParts = field(repr=False)
    transport: AsyncTransport = field(repr=False)
    budget_rules: BudgetRules
    fast_lane: FastLane | None = field(default=None, repr=False)
    responses_shape: ResponsesShape | None = field(default=None, repr=False)
    visits: set[Visit] = field(default_factory=set[Visit], repr=False)

    @property
    def server(self) -> ServerConfig:
        """The section of the configuration about the server: keys, limits on bodies, store."""
        return self.directory.config.server

    @property
    def is_in_use(self) -> bool:
        """Whether a request is being served with this configuration, or its response stored."""
        lane, shape = self.fast_lane, self.responses_shape
        return (
            bool(self.visits)
            or (lane is not None and lane.is_busy)
            or (shape is not None and shape.is_storing)
        )

    @property
    def open_parts(self) -> tuple[Closable, ...]:
        """The transport and store that must be closed when no configuration uses them any more."""
        return self.transport, self.parts.responses.store

    async def finish(self) -> None:
        """Wait for responses being stored, then end the calls of the fast lane.

        Called at shutdown.
        """
        if self.responses_shape is not None:
            await self.responses_shape.close()
        if self.fast_lane is not None:
            self.fast_lane.close()


def make_config(
    worker: WorkerParts,
    directory: Directory,
    hooks: tuple[Hook, ...],
    before: LoadedConfig | None = None,
) -> LoadedConfig:
    """Build the configuration for a directory: keys, transport, health, store, endpoints.

    `before` is the current one at a reload, of which unchanged parts are kept. Nothing is swapped.

    Raises:
        ConfigError: the store of responses or a budget cannot be used.
    """
    server = directory.config.server
    hooks = tuple(map(contained, hooks))
    transport = _transport_of(worker, directory, before)
    health = _health_of(directory, before)
    engine = AsyncEngine(
        transport,
        clock=worker.clock,
        health=health,
        hooks=hooks,
        hook_tasks=worker.hook_tasks,
    )
    pipeline = Pipeline(directory, engine)
    responses = ResponsesAPI(pipeline, _store_of(server, before), worker.clock)
    endpoints = WITHOUT_DATABASE if worker.feed is None else WITH_DATABASE
    describe = _Description(directory, endpoints.endpoints).reply
    made = LoadedConfig(
        directory,
        hooks,
        keys=_keys_of(worker, directory, before),
        pages=PageRules(directory.is_open, server.allowed_hosts),
        paths=ShownPaths(directory),
        endpoints=endpoints,
        parts=GatewayParts(
            directory,
            pipeline,
            responses,
            health,
            worker.clock,
            describe,
            endpoints.endpoints,
            AdminAPI(worker.feed, worker.clock) if worker.feed is not None else None,
        ),
        transport=transport,
        budget_rules=BudgetRules.of(directory.config.settings),
    )
    return made if before is None or before.fast_lane is None else with_fast_lane(made, worker)


def _keys_of(worker: WorkerParts, directory: Directory, before: LoadedConfig | None) -> Keys:
    """The keys of a configuration: the master key, and the virtual keys that are known by now.

    Raises:
        ConfigError: another database is named than before.
    """
    config, server = directory.config, directory.config.server
    if before is not None and _database_of(before.server) != _database_of(server):
        raise ConfigError(
            "`general_settings.database_url` has changed: restart the gateway to use another "
            "database",
            file=config.file,
            key="general_settings.database_url",
        )
    groups: dict[str, list[str]] = {}
    for one in config.deployments:
        named = one.model_info.get("access_groups")
        for group in named if isinstance(named, list) else ():
            groups.setdefault(str(group), []).append(one.public_name)
    names = ModelNames(
        config.router.model_group_alias, {name: tuple(found) for name, found in groups.items()}
    )
    accounts = worker.feed.accounts if worker.feed is not None else None
    version = before.keys.version + 1 if before is not None else 0
    return Keys(server.master_key, server.key_header_name, version, accounts, names)


def _database_of(server: ServerConfig) -> str | None:
    return server.database_url.reveal() if server.database_url is not None else None


def with_fast_lane(config: LoadedConfig, worker: WorkerParts) -> LoadedConfig:
    """A copy of the configuration that has a fast lane, where its transport takes callbacks.

    Called at startup and for each new configuration, before it serves requests.
    """
    to_hosts = worker.lane_transport
    if to_hosts is None and isinstance(config.transport, GatewayTransport):
        to_hosts = config.transport.to_hosts()
    if to_hosts is None:
        return config
    directory, parts = config.directory, config.parts
    responses = ResponsesShape(
        parts.responses.keep, worker.clock, is_strict=directory.config.settings.strict_tools
    )
    shapes: Mapping[str, Shape] = {
        "messages": partial(bridge_messages, make_id=worker.clock.make_id),
        "respond": responses.bridge,
    }
    lane = FastLane(
        directory,
        FastRoutes(directory, to_hosts),
        config.pages,
        DriveContext(
            asyncio.get_running_loop(),
            worker.clock,
            retry_policy(directory),
            parts.health,
            config.hooks,
            worker.hook_tasks,
            crash_error,
        ),
        worker.visits,
        config.keys,
        shapes,
    )
    return replace(config, fast_lane=lane, responses_shape=responses, visits=set())


def _transport_of(
    worker: WorkerParts, directory: Directory, before: LoadedConfig | None
) -> AsyncTransport:
    """The transport of a configuration.

    The earlier one, with its open connections, while proxies and certificates are the same.
    """
    if worker.transport is not None:
        return worker.transport
    environ = directory.environ
    if before is not None and _network_variables(before.directory.environ) == _network_variables(
        environ
    ):
        return before.transport
    return GatewayTransport(ClientSettings(environ=environ), worker.pool)


def _network_variables(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment variables that decide how hosts are reached: proxies, certificates."""
    return {
        name: value
        for name, value in environ.items()
        if name in _OF_CERTIFICATES or name.lower().endswith("_proxy")
    }


def _health_of(directory: Directory, before: LoadedConfig | None) -> Health:
    """The cooldown states: a reload keeps those of unchanged deployments."""
    router = directory.config.router
    policy = CooldownPolicy(
        allowed_fails=router.allowed_fails,
        cooldown_s=router.cooldown_s,
        is_enabled=not router.disable_cooldowns,
    )
    if before is None:
        return Health(policy)
    return before.parts.health.with_policy(policy, _unchanged(before.directory, directory))


def _unchanged(before: Directory, after: Directory) -> Iterable[str]:
    """The ids of the deployments whose settings are equal in both directories."""
    return [one for one, made in after.ready.items() if before.ready.get(one) == made]


def _store_of(server: ServerConfig, before: LoadedConfig | None) -> ResponseStore:
    """The store of responses: the earlier one while the same file is named, else a new one."""
    if before is not None and _store_location(server) == _store_location(before.server):
        return before.parts.responses.store
    if not server.response_store:
        return MemoryStore()
    return SQLiteStore(server.response_store, most_bytes=server.response_store_bytes)


def _store_location(server: ServerConfig) -> tuple[str, int] | None:
    """The file where responses are stored and its limit in bytes.

    None where they are kept in memory.
    """
    place = server.response_store
    return (place, server.response_store_bytes) if place else None


class _Description:
    """The OpenAPI document of one configuration.

    It is made at the first request, which takes a while.
    """

    def __init__(self, directory: Directory, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = endpoints
        self._is_open = directory.is_open
        self._key_header = directory.config.server.key_header_name
        self._reply: Reply | None = None

    async def reply(self) -> Reply:
        """The reply with the document, for `GET /openapi.json`."""
        if self._reply is None:
            from puna.gateway.openapi import make_document

            document = await asyncio.to_thread(
                make_document,
                self._endpoints,
                is_open=self._is_open,
                key_header=self._key_header,
            )
            self._reply = json_reply(document)
        return self._reply
