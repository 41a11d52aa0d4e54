"""A gateway in this process, and a client that speaks ASGI to it without sockets.

house = House(upstream)
answer = house.ask("/v1/chat/completions", CHAT)
assert answer.json["choices"]
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote

from tests.support.clock import FakeClock
from tests.support.upstream import Upstream

from puna.config.litellm_yaml import parse_litellm_yaml
from puna.config.schema import GatewayConfig
from puna.embedded.supervisor import SupervisorPool
from puna.engine.clock import Clock
from puna.gateway.answers.sending import Caller as GatewayCaller
from puna.gateway.app import Gateway
from puna.gateway.deployments.directory import Directory, make_directory
from puna.gateway.logs.access_log import AccessLog
from puna.gateway.requests.body import read_head
from puna.gateway.visit import Admission, Visit, Visits
from puna.governance.keys import ANYONE, Principal
from puna.providers.base import Provider
from puna.providers.table import PROVIDERS
from puna.telemetry.events import Hook
from puna.transports.base import AsyncTransport

MODEL = "meta_llama/Llama-3.3-8B-Instruct"
UPSTREAM_KEY = "sk-llama-upstream-canary-7391"
CHAT: Mapping[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}

CONFIG = f"""
model_list:
  - model_name: {MODEL}
    litellm_params:
      model: {MODEL}
      api_key: os.environ/LLAMA_API_KEY
      api_base: UPSTREAM
"""


def config_with(name: str, *, deployment: Any = None, settings: Any = None) -> str:
    """`CONFIG` with a key at its deployment and among `litellm_settings`, where they say one."""
    config = CONFIG
    if deployment is not None:
        config += f"      {name}: {json.dumps(deployment)}\n"
    if settings is not None:
        config += f"litellm_settings: {{{name}: {json.dumps(settings)}}}\n"
    return config


@dataclass
class Answer:
    """What came back. Header names are lower-case; `pieces` is the body as it was sent."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    pieces: list[bytes] = field(default_factory=list[bytes])

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error inside the body; its shape is checked."""
        error = cast("dict[str, Any]", self.json["error"])
        assert set(error) == {"message", "type", "param", "code"}
        assert all(isinstance(error[name], str) for name in ("message", "type", "code"))
        return error

    @property
    def events(self) -> list[str]:
        """The data of each event of a stream."""
        assert self.headers["content-type"] == "text/event-stream"
        frames = self.text.split("\n\n")
        assert frames[-1] == "", "a stream ends with a blank line"
        return [frame.removeprefix("data: ") for frame in frames[:-1]]

    @property
    def chunks(self) -> list[dict[str, Any]]:
        """The events of a stream that ended well, decoded."""
        assert self.events[-1] == "[DONE]"
        return [json.loads(event) for event in self.events[:-1]]

    @property
    def said(self) -> str:
        """The streamed content of the first choice."""
        deltas = (chunk["choices"][0]["delta"] for chunk in self.chunks if chunk["choices"])
        return "".join(delta.get("content") or "" for delta in deltas)


def events_of(answer: Answer) -> list[dict[str, Any]]:
    """The events of a stream in which each frame's name is its event's type."""
    assert answer.headers["content-type"] == "text/event-stream"
    frames = answer.text.split("\n\n")
    assert frames.pop() == ""
    events: list[dict[str, Any]] = []
    for frame in frames:
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


class Caller:
    """One request to an ASGI application, and the client's end of its connection."""

    def __init__(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        leaves_after: int | None = None,
        pieces: Iterable[bytes] | None = None,
    ) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
        self._pieces = list(pieces) if pieces is not None else [content]
        self._leaves_after = leaves_after
        self._gone = asyncio.Event()
        self.answer = Answer()
        where, _, query = path.partition("?")
        self.scope: dict[str, Any] = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": unquote(where),
            "raw_path": where.encode(),
            "query_string": query.encode(),
            "headers": [
                (name.lower().encode(), value.encode("latin-1"))
                for name, value in (headers or {}).items()
            ],
        }

    async def call(self, app: Any) -> Answer:
        """Run the application to its end."""
        await app(self.scope, self.receive, self.send)
        return self.answer

    def leave(self) -> None:
        """Close the connection."""
        self._gone.set()

    async def receive(self) -> dict[str, Any]:
        """ASGI's receive: the body, then nothing until the client leaves."""
        if self._pieces:
            piece = self._pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self._pieces)}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Mapping[str, Any]) -> None:
        """ASGI's send."""
        if message["type"] == "http.response.start":
            self.answer.status = message["status"]
            for name, value in message["headers"]:
                assert b"\r" not in value
                assert b"\n" not in value
                self.answer.headers[name.decode()] = value.decode("latin-1")
            return
        self.answer.pieces.append(message.get("body", b""))
        if self._leaves_after is not None and len(self.answer.pieces) >= self._leaves_after:
            self.leave()


def gateway_caller(
    client: Caller, principal: Principal = ANYONE, *, send: Any = None, aside: Any = None
) -> GatewayCaller:
    """Who asks, as an endpoint's handler gets it; `send` in place of the client's own."""
    clock = FakeClock()
    visits = Visits(None, AccessLog(), (), clock)
    line = f"{client.scope['method']} {client.scope['path']}"
    visit = Visit(visits, line, "call", clock.monotonic(), clock.now(), principal)
    head = read_head(client.scope)
    return GatewayCaller(visit, head, client.receive, send or client.send, aside)


class House:
    """A gateway with a configuration, in front of an upstream.

    `UPSTREAM` in the configuration stands for the upstream's address.
    """

    def __init__(
        self,
        upstream: Upstream | None = None,
        config: str = CONFIG,
        *,
        environ: Mapping[str, str] | None = None,
        providers: Mapping[str, Provider] = PROVIDERS,
        master_key: str | None = None,
        hooks: tuple[Hook, ...] = (),
        transport: AsyncTransport | None = None,
        clock: Clock | None = None,
        pool: SupervisorPool | None = None,
        admission: Admission | None = None,
    ) -> None:
        self.clock = FakeClock()
        text = config.replace("UPSTREAM", upstream.url if upstream else "http://127.0.0.1:9/v1")
        if master_key is not None:
            text += f"\ngeneral_settings: {{master_key: {master_key}}}\n"
        self.directory = directory_of(text, environ, providers)
        self.app = Gateway(
            self.directory,
            clock=clock or self.clock,
            hooks=hooks,
            transport=transport,
            pool=pool,
            admission=admission,
        )

    def ask(
        self,
        path: str = "/v1/chat/completions",
        body: Any = CHAT,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "POST",
        **how: Any,
    ) -> Answer:
        """One request, in an event loop of its own."""

        async def call() -> Answer:
            answer = await Caller(method, path, body, headers, **how).call(self.app)
            await self.app.hook_tasks.close(5)  # this loop ends now
            return answer

        return asyncio.run(call())

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """One GET."""
        return self.ask(path, None, headers, method="GET")


@functools.lru_cache(maxsize=16)
def _config_of(text: str, environ: frozenset[tuple[str, str]]) -> GatewayConfig:
    """A configuration, parsed once: most of the time of a short test would go there."""
    return parse_litellm_yaml(text, dict(environ), "config.yaml")


def directory_of(
    text: str,
    environ: Mapping[str, str] | None = None,
    providers: Mapping[str, Provider] = PROVIDERS,
) -> Directory:
    """The models of a configuration."""
    known = {"LLAMA_API_KEY": UPSTREAM_KEY} if environ is None else environ
    config = _config_of(text, frozenset(known.items()))
    merged = {**known, **{name: value.reveal() for name, value in config.environment.items()}}
    is_open = config.server.master_key is None
    return make_directory(config, merged, is_open=is_open, providers=providers)
