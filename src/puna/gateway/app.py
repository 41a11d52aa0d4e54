"""The composition root of the gateway: a raw ASGI application.

Every request: its endpoint, the key, the body, the call, the reply; whatever goes wrong becomes an
error body, and nothing that is not ours to show (a traceback, a path, a key) leaves.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from puna.client.settings import ClientSettings
from puna.config.schema import ServerConfig
from puna.embedded.supervisor import SupervisorPool
from puna.engine.asynchronous import AsyncEngine
from puna.engine.clock import Clock, SystemClock
from puna.errors import (
    APIError,
    BadRequestError,
    NotFoundError,
    PunaError,
)
from puna.gateway.access_log import CLIENT_LEFT, AccessLog, warn_of
from puna.gateway.aside import Aside
from puna.gateway.carriage import GatewayTransport
from puna.gateway.client_limits import MANY_FILES, limits_of
from puna.gateway.codex_models import asks_catalog, codex_catalog
from puna.gateway.crowd import Crowd
from puna.gateway.directory import Directory
from puna.gateway.endpoints import (
    NEEDS_STORE,
    Action,
    Match,
    find_endpoint,
    list_paths,
    missing_feature,
    similar_path,
)
from puna.gateway.fast_lane import FastLane
from puna.gateway.fast_routes import CallbackTransport, FastRoutes
from puna.gateway.fast_run import LaneContext
from puna.gateway.free_memory import SMALL_BODY, FreeMemory, lacks_memory
from puna.gateway.inputs import serve_embedding, serve_moderation
from puna.gateway.messages import count_tokens, create_message
from puna.gateway.messages_replies import (
    get_messages_model,
    list_messages_models,
    messages_error_reply,
    speaks_messages,
)
from puna.gateway.pipeline import Pipeline, retry_policy
from puna.gateway.replies import (
    Reply,
    error_reply,
    internal_error,
    json_reply,
    out_of_memory,
    stopping,
)
from puna.gateway.requests import (
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
from puna.gateway.responses import ResponsesAPI
from puna.gateway.sending import Caller, Responder
from puna.gateway.shown_paths import ShownPaths
from puna.gateway.status import check_health, get_model, known_health, list_models, model_info
from puna.gateway.web_pages import PageRules, preflight_headers
from puna.governance.keys import authenticate
from puna.governance.store.base import ResponseStore
from puna.governance.store.memory import MemoryStore
from puna.governance.store.sqlite import SQLiteStore
from puna.routing.health import CooldownPolicy, Health
from puna.telemetry.events import Hook
from puna.transports.base import AsyncTransport
from puna.types.report import CallReport
from puna.version import __version__

_log = logging.getLogger("puna.gateway")


Serve = Callable[[dict[str, Any], Caller], Awaitable[CallReport | None]]
"""Answers one request to a model: its body and who asks."""


class Gateway:
    """The ASGI application. One for each worker process."""

    def __init__(
        self,
        directory: Directory,
        *,
        transport: AsyncTransport | None = None,
        clock: Clock | None = None,
        hooks: tuple[Hook, ...] = (),
        pool: SupervisorPool | None = None,
        lane_transport: CallbackTransport | None = None,
    ) -> None:
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
        self._engine = AsyncEngine(
            self._transport, clock=self._clock, health=self._health, hooks=hooks
        )
        pipeline = Pipeline(directory, self._engine)
        self.responses = ResponsesAPI(pipeline, _open_store(self._server), self._clock)
        self._serves: Mapping[Action, Serve] = {
            "chat": pipeline.chat,
            "text": pipeline.text,
            "embedding": partial(serve_embedding, pipeline),
            "moderation": partial(serve_moderation, pipeline),
            "messages": partial(create_message, pipeline),
            "count_tokens": partial(count_tokens, pipeline),
            "respond": self.responses.create,
            "count_input": self.responses.count,
            "compact": self.responses.compact,
        }
        self.fast_lane: FastLane | None = None
        self._access_log = AccessLog()
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
                if self.fast_lane is not None:
                    await self.fast_lane.close()
                self._access_log.close()
                await self._transport.close()
                await self.responses.store.close()
                self._aside.close()
                self._pool.stop_all()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def open_fast_lane(self) -> None:
        """The fast lane needs a transport with callbacks and this loop; lines wait for it, too."""
        loop = asyncio.get_running_loop()
        self._access_log = AccessLog(loop)
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
            LaneContext(loop, self._clock, retry_policy(directory), self._health, self._hooks),
            self._access_log,
        )

    async def _warm_up(self) -> None:
        """Start the embedded model's process, so that the first request need not wait for it."""
        for model in self._directory.embedded_models():
            try:
                await asyncio.to_thread(self._pool.get(model).ensure_running)
            except PunaError as error:
                _log.warning("The embedded model `%s` does not start: %s", model, error)

    async def _serve(self, head: Incoming, receive: Receive, send: Send) -> None:
        """One request to its reply, with one line in the log."""
        started = time.perf_counter()
        call_id = read_call_id(head.headers.get("x-litellm-call-id", "")) or self._clock.make_id()
        headers = {"x-litellm-call-id": call_id, **self._pages.reply_headers(head)}
        make_error: Callable[[APIError], Reply] = error_reply
        if speaks_messages(head):
            headers["request-id"] = call_id
            make_error = partial(messages_error_reply, call_id=call_id)
        responder = Responder(send, headers, head.method)
        report: CallReport | None = None
        try:
            report = await self._answer(head, call_id, receive, responder)
        except ClientDisconnected:
            responder.status = CLIENT_LEFT
        except asyncio.CancelledError:
            # The server ends what outlasts its last seconds. This task is the request and no more:
            # to end it is all that was asked, and raised on it would be logged as a fault.
            await responder.reply(make_error(stopping()))
        except APIError as error:
            warn_of(f"{head.method} {self._paths.show(head.path)}", error)
            await responder.reply(make_error(error))
        except Exception as error:  # noqa: BLE001 - the outermost shell: nothing raw may reach a client
            path = self._paths.show(head.path)
            if lacks_memory(error):
                _log.error("%s %s needs more memory than there is", head.method, path)
                await responder.reply(make_error(out_of_memory()))
            else:
                _log.exception("%s %s failed", head.method, path)
                await responder.reply(make_error(internal_error()))
        spent_s = time.perf_counter() - started
        at, path = self._clock.now(), self._paths.show(head.path)
        self._access_log.add(at, head.method, path, responder.status, spent_s, report)

    async def _answer(
        self, head: Incoming, call_id: str, receive: Receive, responder: Responder
    ) -> CallReport | None:
        if head.method == "OPTIONS":
            await responder.reply(Reply(204, b"", preflight_headers(head)))
            return None
        match = find_endpoint(head.method, head.path)
        is_public = isinstance(match, Match) and not match.endpoint.needs_key
        self._pages.check(head, is_public=is_public)
        if not isinstance(match, Match):
            raise _no_endpoint(head, match)
        check_model_name(match.model)
        if match.endpoint.action == "openapi":
            await responder.reply(await self._describe())
            return None
        if not match.endpoint.needs_key:
            await responder.reply(self._status(match, head))
            return None
        principal = authenticate(
            head.headers, self._server.master_key, self._server.key_header_name
        )
        if match.endpoint.action == "ask_health":
            await responder.reply(json_reply(await check_health(self._directory, self._engine)))
            return None
        caller = Caller(principal, call_id, receive, responder.send, head.headers)
        if match.endpoint.action in self._serves:
            return await self._call(match, head, caller)
        if match.response_id is not None:
            await responder.reply(await self._stored(match, match.response_id, head, caller))
        else:
            await responder.reply(self._status(match, head))
        return None

    async def _call(self, match: Match, head: Incoming, caller: Caller) -> CallReport | None:
        server = self._server
        self._check_memory(head.body_bytes)
        data = await read_body(caller.receive, head, server.max_request_bytes, self._check_memory)
        self._check_memory(len(data))
        if is_heavy(data):
            caller = replace(caller, aside=self._aside)
            body = await caller.read(read_json, data, head, server.max_request_values)
        else:
            body = read_json(data, head, server.max_request_values)
        del data
        if match.model is not None:
            body["model"] = match.model
        return await self._serves[match.endpoint.action](body, caller)

    def _check_memory(self, body_bytes: int) -> None:
        if body_bytes > SMALL_BODY and not self._memory.fits(body_bytes):
            raise out_of_memory()

    async def _stored(
        self, found: Match, response_id: str, head: Incoming, caller: Caller
    ) -> Reply:
        """The endpoints of a stored response."""
        responses = self.responses
        match found.endpoint.action:
            case "forget_response":
                return await responses.delete(response_id, caller)
            case "cancel_response":
                return await responses.cancel(response_id, caller)
            case "input_items":
                return await responses.input_items(response_id, head.query, caller)
            case _:
                return await responses.get(response_id, head.query, caller)

    def _status(self, match: Match, head: Incoming) -> Reply:
        """The endpoints that ask no model."""
        directory = self._directory
        is_messages = speaks_messages(head)
        list_them = list_messages_models if is_messages else list_models
        get_one = get_messages_model if is_messages else get_model
        makers: Mapping[Action, Callable[[], object]] = {
            "models": lambda: (
                codex_catalog(directory) if asks_catalog(head.query) else list_them(directory)
            ),
            "model": lambda: get_one(directory, match.model or ""),
            "model_info": lambda: model_info(directory),
            "health": lambda: known_health(directory, self._health, self._clock.monotonic()),
            "alive": lambda: "I'm alive!",
            "ready": lambda: {
                "status": "healthy",
                "db": "Not connected",
                "puna_version": __version__,
            },
            "routes": lambda: {"routes": list_paths()},
        }
        make = makers.get(match.endpoint.action)
        return json_reply(make()) if make is not None else _home()

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


def _no_endpoint(head: Incoming, allowed: tuple[str, ...]) -> APIError:
    if allowed and head.wants_websocket:
        return BadRequestError(
            f"`{head.path}` speaks no WebSocket; send the request with POST.",
            status_code=426,
            code="websocket_not_supported",
            headers={"upgrade": "HTTP/1.1", "connection": "upgrade"},
        )
    if allowed:
        return BadRequestError(
            f"`{head.path}` takes {' or '.join(allowed)}, not {head.method}.",
            status_code=405,
            code="method_not_allowed",
            headers={"allow": ", ".join((*allowed, "OPTIONS"))},
        )
    if head.path.startswith(NEEDS_STORE):
        return NotFoundError(
            "Virtual keys, budgets and spend are not built in this gateway yet; it knows the "
            "master key only.",
            status_code=501,
            code="not_configured",
        )
    if what := missing_feature(head.path):
        hint = f" ({what}: not built yet)."
    elif near := similar_path(head.method, head.path):
        hint = f": did you mean `{near}`?"
        if head.path.endswith(near):
            hint += " Leave what stands before it out of the client's base URL."
    else:
        hint = "."
    return NotFoundError(
        f"There is no endpoint `{head.method} {head.path}`{hint} `GET /routes` lists all.",
        code="unknown_endpoint",
    )


def _home() -> Reply:
    """What a person sees who opens the address in a browser."""
    lines = [f"Puna {__version__}: an OpenAI-compatible gateway.", "", *list_paths()]
    return Reply(200, "\n".join(lines).encode() + b"\n", {}, b"text/plain; charset=utf-8")
