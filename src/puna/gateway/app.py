"""The composition root of the gateway: a raw ASGI application.

Every request: its endpoint, the key, the body, the call, the reply; whatever goes wrong becomes an
error body, and nothing that is not ours to show (a traceback, a path, a key) leaves.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import ssl
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from puna.config.schema import ServerConfig
from puna.embedded.supervisor import SupervisorPool
from puna.engine.clock import Clock, SystemClock
from puna.errors import APIError, AuthenticationError, PunaError, ServiceUnavailableError
from puna.gateway.accounts_feed import open_feed
from puna.gateway.admission import BudgetAdmission
from puna.gateway.answers.replies import (
    Reply,
    crash_error,
    error_reply,
    out_of_memory,
    stopping,
)
from puna.gateway.answers.sending import Caller, Responder, Work, until_disconnect
from puna.gateway.deployments.directory import Directory
from puna.gateway.endpoints.messages_replies import messages_error_reply, speaks_messages
from puna.gateway.endpoints.responses import ResponsesAPI
from puna.gateway.endpoints.rows import EndpointRequest, Match
from puna.gateway.loaded_config import (
    Closable,
    LoadedConfig,
    WorkerParts,
    make_config,
    with_fast_lane,
)
from puna.gateway.logs.access_log import CLIENT_LEFT, AccessLog
from puna.gateway.passing.routes import CallbackTransport
from puna.gateway.requests.body import (
    ClientDisconnected,
    Incoming,
    Receive,
    Scope,
    Send,
    check_model_name,
    is_heavy,
    read_body,
    read_call_id,
    read_head,
    read_json,
)
from puna.gateway.requests.free_memory import FreeMemory, lacks_memory
from puna.gateway.requests.heavy_steps import HeavySteps
from puna.gateway.requests.model_access import check_models, for_caller
from puna.gateway.requests.web_pages import preflight_headers
from puna.gateway.server.client_limits import MANY_FILES, limits_of
from puna.gateway.server.connection_limit import ConnectionLimit
from puna.gateway.visit import Admission, Visit, VisitMeter, Visits
from puna.governance.accounts import Accounts
from puna.governance.keys import Keys, Principal
from puna.telemetry.events import Hook, HookTasks
from puna.transports.base import AsyncTransport

_log = logging.getLogger("puna.gateway")

_LAST_HOOKS_S = 5.0
"""How long the end of a gateway waits for the hooks of the last calls."""
_LAST_HOLDS_S = 5.0
"""How long it waits for reservations that are still to come, to settle them."""
_LOOK_AGAIN_S = 1.0
"""How often it looks whether the last request of an earlier configuration has ended."""


class Gateway:
    """The ASGI application of one worker process.

    It owns the configuration, and answers every request that the fast lane does not take.
    """

    def __init__(  # noqa: PLR0913 - the parts of a gateway; all but one by keyword
        self,
        directory: Directory,
        *,
        transport: AsyncTransport | None = None,
        clock: Clock | None = None,
        hooks: tuple[Hook, ...] = (),
        pool: SupervisorPool | None = None,
        lane_transport: CallbackTransport | None = None,
        admission: Admission | None = None,
        meters: Sequence[VisitMeter] = (),
    ) -> None:
        """Compose a gateway that serves `directory`.

        Arguments with a default replace parts in tests.

        `admission` decides whether a request that costs something may go on; without one the
        configured budgets do. `meters` count requests and calls.
        """
        clock = clock or SystemClock()
        database_url = directory.config.server.database_url
        self.feed = open_feed(database_url, clock) if database_url is not None else None
        """The accounts in the database; None without one."""
        self._access_log = AccessLog()
        self.hook_tasks = HookTasks()
        self._worker = WorkerParts(
            clock,
            pool or SupervisorPool(),
            Visits(admission, self._access_log, meters, clock),
            self.hook_tasks,
            transport,
            lane_transport,
            BudgetAdmission(clock) if admission is None else None,
            self.feed,
        )
        self.is_ending = False
        """Whether the server has ended: no other configuration may be swapped in any more."""
        self._open_files = MANY_FILES
        self._retired: list[LoadedConfig] = []
        self._open_parts: dict[int, Closable] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._next_look: asyncio.TimerHandle | None = None
        self._serve_with(make_config(self._worker, directory, hooks))
        if self.feed is not None:
            self.feed.publish = self._use_accounts
        self._aside = HeavySteps()
        self._memory = FreeMemory()
        self.on_hangup: Callable[[ssl.SSLContext | None], None] | None = None
        """What a worker's process does on SIGHUP, with what the server offers to TLS clients."""

    @property
    def config(self) -> LoadedConfig:
        """The configuration that the next request is served with."""
        return self._config

    @property
    def keys(self) -> Keys:
        """The keys of the current configuration, which new requests are checked against."""
        return self._config.keys

    @property
    def responses(self) -> ResponsesAPI:
        """The handlers of the endpoints below `/responses` in the current configuration."""
        return self._config.parts.responses

    @property
    def retired(self) -> tuple[LoadedConfig, ...]:
        """The earlier configurations that requests are still served with."""
        return tuple(self._retired)

    def limit_clients(self, open_files: int) -> None:
        """Set the limits on clients' connections, for a process that may open so many files.

        Called at start and after each change of the configuration.
        """
        self._open_files = open_files
        self.client_limits = limits_of(self._config.server, open_files)
        self.connection_limit = ConnectionLimit(self.client_limits)

    def prepare(self, directory: Directory, hooks: tuple[Hook, ...] = ()) -> LoadedConfig:
        """Make another configuration beside the one that is served; `swap` serves with it.

        Raises:
            ConfigError: its store of responses cannot be used.
        """
        return make_config(self._worker, directory, hooks, self._config)

    def swap(self, config: LoadedConfig) -> None:
        """Serve with another configuration from the next request on. Called on the event loop.

        Requests under way end with the one that they began with.
        """
        feed, keys = self.feed, config.keys
        if feed is not None and keys.accounts is not feed.accounts:  # they changed meanwhile
            keys = replace(keys, accounts=feed.accounts)
            config = replace(config, keys=keys, visits=set())
            if config.fast_lane is not None:
                config = with_fast_lane(config, self._worker)
        self._retired.append(self._config)
        self._serve_with(config)
        self._drop_unused()

    def _serve_with(self, config: LoadedConfig) -> None:
        """Make `config` the current configuration.

        Fast lane, things to close at exit, limits on clients.
        """
        self._config = config
        self.fast_lane = config.fast_lane
        budgets, rules = self._worker.budgets, config.budget_rules
        if budgets is not None:
            budgets.configure(rules)
            may_have_some = rules.has_budgets or self.feed is not None  # keys have theirs
            self._worker.visits.admission = budgets if may_have_some else None
        self._open_parts.update((id(part), part) for part in config.open_parts)
        self.limit_clients(self._open_files)

    def _drop_unused(self) -> None:
        """Close earlier configurations that no request uses any more.

        Called after a swap; it calls itself again by a timer as long as one is in use.
        """
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None
        self._retired = [one for one in self._retired if one.is_in_use]
        used = (self._config, *self._retired)
        kept = {id(part) for one in used for part in one.open_parts}
        closings: list[Coroutine[Any, Any, None]] = [
            self._open_parts.pop(part).close() for part in self._open_parts.keys() - kept
        ]
        unused = self._worker.pool.drop(
            lambda model: not any(one.directory.may_embed(model) for one in used)
        )
        closings += [asyncio.to_thread(one.stop) for one in unused]
        loop = asyncio.get_running_loop()
        for closing in closings:
            task = loop.create_task(closing)
            self._closing.add(task)  # the loop itself keeps only a weak reference to a task
            task.add_done_callback(self._closing.discard)
        if self._retired:
            self._next_look = loop.call_later(_LOOK_AGAIN_S, self._drop_unused)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve(read_head(scope), receive, send)

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        """Handle ASGI's lifespan events.

        Prepare the worker, and end visits and close all at shutdown.
        """
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                if self.feed is not None:
                    try:
                        await self.feed.start()
                    except PunaError as error:
                        await send({"type": "lifespan.startup.failed", "message": f"{error}"})
                        return
                await self.warm_up(self._config.directory)
                self.open_fast_lane()
                # What start made stays: the collector need not look at it again.
                gc.collect()
                gc.freeze()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                self.is_ending = True
                await self.finish_visits()
                if self.feed is not None:
                    await self.feed.close()
                for part in tuple(self._open_parts.values()):
                    await part.close()
                self._aside.close()
                self._worker.pool.stop_all()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def finish_visits(self) -> None:
        """End the calls under way, and wait a bounded time for holds and hooks still to come."""
        if self._next_look is not None:
            self._next_look.cancel()
        for config in (*self._retired, self._config):
            await config.finish()
        await self._worker.visits.close(_LAST_HOLDS_S)
        await self.hook_tasks.close(_LAST_HOOKS_S)
        self._access_log.close()

    def open_fast_lane(self) -> None:
        """Add a fast lane to the current configuration, and start batching the access log.

        Called at startup, because both need the running event loop.
        """
        self._access_log.open(asyncio.get_running_loop())
        self._serve_with(with_fast_lane(self._config, self._worker))

    def change_keys(self, keys: Keys) -> None:
        """Replace the keys. A key that is not among them is refused at its next request."""
        changed = replace(self._config, keys=keys, visits=set())
        self.swap(with_fast_lane(changed, self._worker) if changed.fast_lane else changed)

    def _use_accounts(self, accounts: Accounts) -> None:
        keys = self._config.keys
        self.change_keys(replace(keys, accounts=accounts, version=keys.version + 1))

    async def warm_up(self, directory: Directory) -> None:
        """Start the processes of embedded models, so that the first request need not wait."""
        for model in directory.embedded_models():
            try:
                await asyncio.to_thread(self._worker.pool.get(model).ensure_running)
            except PunaError as error:
                _log.warning("The embedded model `%s` does not start: %s", model, error)

    async def _serve(self, head: Incoming, receive: Receive, send: Send) -> None:
        """Serve one HTTP request over ASGI.

        Open its visit, answer, and close the visit whatever happens. Errors become error replies
        here.
        """
        config, clock = self._config, self._worker.clock
        line = f"{head.method} {config.paths.show(head.path)}"
        call_id = read_call_id(head.headers.get("x-litellm-call-id", "")) or clock.make_id()
        visit = Visit(self._worker.visits, line, call_id, clock.monotonic(), clock.now())
        headers = {"x-litellm-call-id": call_id, **config.pages.reply_headers(head)}
        make_error: Callable[[APIError], Reply] = error_reply
        if speaks_messages(head):
            headers["request-id"] = call_id
            make_error = partial(messages_error_reply, call_id=call_id)
        responder = Responder(send, headers, head.method)
        refusal: APIError | None = None
        config.visits.add(visit)
        try:
            try:
                await self._answer(config, head, visit, receive, responder)
            except ClientDisconnected:
                responder.status = CLIENT_LEFT
            except asyncio.CancelledError:
                # The server ends what outlasts its last seconds. This task is the request alone, so
                # that to end it is all that was asked; raised on it would be logged as a fault.
                await responder.reply(make_error(stopping()))
            except APIError as error:
                refusal = error = for_caller(error, visit.principal.access)
                await responder.reply(make_error(error))
            except Exception as error:  # noqa: BLE001 - the outermost shell: nothing raw may reach a client
                await responder.reply(make_error(_error_for(line, error)))
        finally:
            config.visits.discard(visit)
            visit.close(responder.status or CLIENT_LEFT, refusal)

    async def _answer(
        self,
        config: LoadedConfig,
        head: Incoming,
        visit: Visit,
        receive: Receive,
        responder: Responder,
    ) -> None:
        """Answer one HTTP request.

        Find its endpoint, check page rules, key and body, call the handler, have the visit
        admitted, and send the reply. Errors are raised to `_serve`.
        """
        if head.method == "OPTIONS":
            headers = preflight_headers(head, config.endpoints.methods_at(head.path))
            await responder.reply(Reply(204, b"", headers))
            return
        match = config.endpoints.find(head.method, head.path)
        is_public = isinstance(match, Match) and not match.endpoint.needs_key
        config.pages.check(head, is_public=is_public)
        if not isinstance(match, Match):
            raise config.endpoints.no_endpoint(head, match)
        check_model_name(match.model)
        visit.endpoint = match.endpoint.name
        if match.endpoint.needs_key:
            visit.principal = await self._authenticate(config.keys, head)
        caller, body = Caller(visit, head, receive, responder.send), {}
        if match.endpoint.body is not None:
            body = await self._read(config.server, caller, match)
        if visit.principal.access is not None:
            check_models(visit.principal.access, body)
        request = EndpointRequest(caller, body, match.model, match.response_id)
        handled = match.endpoint.handler(config.parts, request)
        if not isinstance(handled, Work | Reply):
            handled = await handled
        reply: Reply | None
        if isinstance(handled, Work):
            coming = visit.admit(handled)
            if coming is not None:
                await until_disconnect(asyncio.shield(coming), receive)
            reply = await handled.run()
        else:
            reply = handled
        if reply is not None:
            await responder.reply(reply)

    async def _authenticate(self, keys: Keys, head: Incoming) -> Principal:
        """The principal of a request. A key that is not known is looked for in the database.

        Raises:
            AuthenticationError: the request has no key that can be used.
            PermissionDeniedError: the key may not be used here, or from there.
        """
        now = self._worker.clock.now()
        try:
            principal = keys.authenticate(head.headers, now)
        except AuthenticationError as error:
            if self.feed is None or error.code != "invalid_api_key":
                raise
            with suppress(ServiceUnavailableError):  # then what is known decides
                await self.feed.refresh()
            principal = self._config.keys.authenticate(head.headers, now)
        if principal.access is not None:
            principal.access.check_request(head.path, head.client)
        return principal

    async def _read(self, server: ServerConfig, caller: Caller, match: Match) -> dict[str, Any]:
        """Read and parse the request's body; a model name in the path is put into it.

        Raises APIError for a body that is too large, not JSON, or too heavy for the free memory.
        """
        head = caller.head
        kind = head.headers.get("content-type", "")
        with self._memory.hold() as fits:

            def check(body_bytes: int) -> None:
                if not fits(body_bytes):
                    raise out_of_memory()

            check(head.body_bytes)
            data = await read_body(caller.receive, head, server.max_request_bytes, check)
            check(len(data))
            if is_heavy(data):
                caller.aside = self._aside
                body = await caller.read(read_json, data, kind, server.max_request_values)
            else:
                body = read_json(data, kind, server.max_request_values)
        if match.model:
            body["model"] = match.model
        return body


def _error_for(what: str, error: Exception) -> APIError:
    """The error that the client gets for an exception that is none of Puna's.

    The exception is logged.
    """
    if lacks_memory(error):
        _log.error("%s needs more memory than there is", what)
    else:
        _log.error("%s failed", what, exc_info=error)
    return crash_error(error)
