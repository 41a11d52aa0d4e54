"""The composition root of the gateway: a raw ASGI application.

Every request: its endpoint, the key, the body, the call, the reply; whatever goes wrong becomes an
error body, and nothing that is not ours to show (a traceback, a path, a key) leaves.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from puna.client.settings import ClientSettings
from puna.config.schema import ServerConfig
from puna.embedded.supervisor import SupervisorPool
from puna.engine.asynchronous import AsyncEngine
from puna.engine.clock import Clock, SystemClock
from puna.errors import APIError, PunaError
from puna.gateway.answers.replies import (
    Reply,
    error_reply,
    internal_error,
    json_reply,
    out_of_memory,
    stopping,
)
from puna.gateway.answers.sending import Caller, Responder, Work, until_disconnect
from puna.gateway.deployments.directory import Directory
from puna.gateway.deployments.transport import GatewayTransport
from puna.gateway.endpoints.chat import Pipeline, retry_policy
from puna.gateway.endpoints.messages_replies import messages_error_reply, speaks_messages
from puna.gateway.endpoints.paths import find_endpoint, methods_at, no_endpoint
from puna.gateway.endpoints.responses import ResponsesAPI
from puna.gateway.endpoints.rows import EndpointRequest, GatewayParts, Match
from puna.gateway.endpoints.shown_paths import ShownPaths
from puna.gateway.logs.access_log import CLIENT_LEFT, AccessLog
from puna.gateway.passing.lane import FastLane, Shape
from puna.gateway.passing.messages import bridge_messages
from puna.gateway.passing.responses import ResponsesShape
from puna.gateway.passing.routes import CallbackTransport, FastRoutes
from puna.gateway.passing.runs import LaneContext
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
from puna.gateway.requests.free_memory import SMALL_BODY, FreeMemory, lacks_memory
from puna.gateway.requests.heavy_steps import Aside
from puna.gateway.requests.web_pages import PageRules, preflight_headers
from puna.gateway.server.client_limits import MANY_FILES, limits_of
from puna.gateway.server.connection_limit import Crowd
from puna.gateway.visit import Admission, Visit, VisitMeter, Visits
from puna.governance.keys import Keys
from puna.governance.store.base import ResponseStore
from puna.governance.store.memory import MemoryStore
from puna.governance.store.sqlite import SQLiteStore
from puna.routing.health import CooldownPolicy, Health
from puna.telemetry.events import Hook, HookTasks
from puna.transports.base import AsyncTransport

_log = logging.getLogger("puna.gateway")

_LAST_HOOKS_S = 5.0
"""How long the end of a gateway waits for the hooks of the last calls."""
_LAST_HOLDS_S = 5.0
"""How long it waits for reservations that are still to come, to settle them."""


class Gateway:
    """The ASGI application. One for each worker process."""

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
        """`admission` lets requests in that cost something; `meters` count requests and calls."""
        self._directory = directory
        self._server = directory.config.server
        self._paths = ShownPaths(directory)
        self._pages = PageRules(directory.is_open, self._server.allowed_hosts)
        self._pool = pool or SupervisorPool()
        self._transport = transport or GatewayTransport(
            ClientSettings(environ=directory.environ), self._pool
        )
        self._lane_transport = lane_transport
        self._clock = clock or SystemClock()
        self._hooks = hooks
        router = directory.config.router
        self._health = Health(
            CooldownPolicy(
                allowed_fails=router.allowed_fails,
                cooldown_s=router.cooldown_s,
                is_enabled=not router.disable_cooldowns,
            )
        )
        self.hook_tasks = HookTasks()
        engine = AsyncEngine(
            self._transport,
            clock=self._clock,
            health=self._health,
            hooks=hooks,
            hook_tasks=self.hook_tasks,
        )
        pipeline = self._pipeline = Pipeline(directory, engine)
        self.responses = ResponsesAPI(pipeline, _open_store(self._server), self._clock)
        self._parts = GatewayParts(
            directory, pipeline, self.responses, self._health, self._clock, self._describe
        )
        self.keys = Keys(self._server.master_key, self._server.key_header_name)
        self.fast_lane: FastLane | None = None
        self._access_log = AccessLog()
        self._visits = Visits(admission, self._access_log, meters, self._clock)
        self.limit_clients(MANY_FILES)
        self._document: Reply | None = None
        self._aside = Aside()
        self._memory = FreeMemory()

    def limit_clients(self, open_files: int) -> None:
        """Set the limits on clients for a process that may have so many files open."""
        self.client_limits = limits_of(self._server, open_files)
        self.crowd = Crowd(self.client_limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(read_head(scope), receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._warm_up()
                self.open_fast_lane()
                # What start made stays: the collector need not look at it again.
                gc.collect()
                gc.freeze()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.finish_visits()
                await self._transport.close()
                await self.responses.store.close()
                self._aside.close()
                self._pool.stop_all()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def finish_visits(self) -> None:
        """End the calls under way, and wait a bounded time for holds and hooks still to come."""
        if self.fast_lane is not None:
            await self._bridged_responses.close()
            self.fast_lane.close()
        await self._visits.close(_LAST_HOLDS_S)
        await self.hook_tasks.close(_LAST_HOOKS_S)
        self._access_log.close()

    def open_fast_lane(self) -> None:
        """The fast lane needs a transport with callbacks and this loop; lines wait for it, too."""
        loop = asyncio.get_running_loop()
        self._access_log.open(loop)
        transport = self._lane_transport
        if transport is None and isinstance(self._transport, GatewayTransport):
            transport = self._transport.to_hosts()
        if transport is None:
            return
        directory = self._directory
        self.fast_lane = FastLane(
            directory,
            FastRoutes(directory, transport),
            self._pages,
            LaneContext(
                loop,
                self._clock,
                retry_policy(directory),
                self._health,
                self._hooks,
                self.hook_tasks,
            ),
            self._visits,
            self.keys,
            self._shapes(),
        )

    def _shapes(self) -> Mapping[str, Shape]:
        """What converts requests of other shapes to chat in the fast lane, by endpoint."""
        is_strict = self._directory.config.settings.strict_tools
        responses = ResponsesShape(self.responses.keep, self._clock, is_strict=is_strict)
        self._bridged_responses = responses
        return {
            "messages": partial(bridge_messages, make_id=self._clock.make_id),
            "respond": responses.bridge,
        }

    def change_keys(self, keys: Keys) -> None:
        """From now on these keys count; a key that is withdrawn is refused at its next request."""
        self.keys = keys
        if self.fast_lane is not None:
            self.fast_lane.change_keys(keys)

    async def _warm_up(self) -> None:
        """Start the embedded model's process, so that the first request need not wait for it."""
        for model in self._directory.embedded_models():
            try:
                await asyncio.to_thread(self._pool.get(model).ensure_running)
            except PunaError as error:
                _log.warning("The embedded model `%s` does not start: %s", model, error)

    async def _serve(self, head: Incoming, receive: Receive, send: Send) -> None:
        """One request to its reply: a visit is opened, and closed whatever happens."""
        clock, line = self._clock, f"{head.method} {self._paths.show(head.path)}"
        call_id = read_call_id(head.headers.get("x-litellm-call-id", "")) or clock.make_id()
        visit = Visit(self._visits, line, call_id, clock.monotonic(), clock.now())
        headers = {"x-litellm-call-id": call_id, **self._pages.reply_headers(head)}
        make_error: Callable[[APIError], Reply] = error_reply
        if speaks_messages(head):
            headers["request-id"] = call_id
            make_error = partial(messages_error_reply, call_id=call_id)
        responder = Responder(send, headers, head.method)
        refusal: APIError | None = None
        try:
            try:
                await self._answer(head, visit, receive, responder)
            except ClientDisconnected:
                responder.status = CLIENT_LEFT
            except asyncio.CancelledError:
                # The server ends what outlasts its last seconds. This task is the request alone, so
                # that to end it is all that was asked; raised on it would be logged as a fault.
                await responder.reply(make_error(stopping()))
            except APIError as error:
                refusal = error
                await responder.reply(make_error(error))
            except Exception as error:  # noqa: BLE001 - the outermost shell: nothing raw may reach a client
                await responder.reply(make_error(_failed(line, error)))
        finally:
            visit.close(responder.status or CLIENT_LEFT, refusal)

    async def _answer(
        self, head: Incoming, visit: Visit, receive: Receive, responder: Responder
    ) -> None:
        if head.method == "OPTIONS":
            headers = preflight_headers(head, methods_at(head.path))
            await responder.reply(Reply(204, b"", headers))
            return
        match = find_endpoint(head.method, head.path)
        is_public = isinstance(match, Match) and not match.endpoint.needs_key
        self._pages.check(head, is_public=is_public)
        if not isinstance(match, Match):
            raise no_endpoint(head, match)
        check_model_name(match.model)
        visit.endpoint = match.endpoint.name
        if match.endpoint.needs_key:
            visit.principal = self.keys.authenticate(head.headers)
        caller, body = Caller(visit, head, receive, responder.send), {}
        if match.endpoint.body is not None:
            body = await self._read(caller, match)
        request = EndpointRequest(caller, body, match.model, match.response_id)
        handled = match.endpoint.handler(self._parts, request)
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

    async def _read(self, caller: Caller, match: Match) -> dict[str, Any]:
        """The body, with the model that the path names."""
        server, head = self._server, caller.head
        self._check_memory(head.body_bytes)
        data = await read_body(caller.receive, head, server.max_request_bytes, self._check_memory)
        self._check_memory(len(data))
        kind = head.headers.get("content-type", "")
        if is_heavy(data):
            caller.aside = self._aside
            body = await caller.read(read_json, data, kind, server.max_request_values)
        else:
            body = read_json(data, kind, server.max_request_values)
        if match.model:
            body["model"] = match.model
        return body

    def _check_memory(self, body_bytes: int) -> None:
        if body_bytes > SMALL_BODY and not self._memory.fits(body_bytes):
            raise out_of_memory()

    async def _describe(self) -> Reply:
        """The OpenAPI document, made once: few ever ask, and making it takes a while."""
        if self._document is None:
            from puna.gateway.openapi import make_document

            document = await asyncio.to_thread(
                make_document,
                is_open=self._directory.is_open,
                key_header=self._server.key_header_name,
            )
            self._document = json_reply(document)
        return self._document


def _open_store(server: ServerConfig) -> ResponseStore:
    if not server.response_store:
        return MemoryStore()
    return SQLiteStore(server.response_store, most_bytes=server.response_store_bytes)


def _failed(what: str, error: Exception) -> APIError:
    """The answer to what nobody foresaw; the log says more."""
    if lacks_memory(error):
        _log.error("%s needs more memory than there is", what)
        return out_of_memory()
    _log.error("%s failed", what, exc_info=error)
    return internal_error()
