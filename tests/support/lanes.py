"""One gateway's two lanes, each on an HTTP connection without sockets, before the same host.

both = Lanes(play, CONFIG)
fast, full = both.ask(CHAT)
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import httptools
import uvicorn
from tests.support.asgi import Answer, directory_of
from tests.support.clock import FakeClock
from tests.support.ledger import Ledger
from uvicorn.server import ServerState

from puna.errors import APIError
from puna.gateway.app import Gateway
from puna.gateway.server.protocol import GatewayProtocol
from puna.telemetry.events import CallEvent, Hook
from puna.transports.lean import WholeReply
from puna.transports.replay import AsyncReplayTransport, Player
from puna.wire.http import HTTPRequest


class PlayedExchange:
    """A reply that is played to a sink, a piece on each turn of the loop."""

    def __init__(self, sink: Any, steps: Iterator[Any]) -> None:
        self._sink = sink
        self._steps = steps
        self.is_cancelled = False
        self._is_paused = False
        asyncio.get_running_loop().call_soon(self._go_on)

    def pause(self) -> None:
        self._is_paused = True

    def resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            asyncio.get_running_loop().call_soon(self._go_on)

    def cancel(self) -> None:
        self.is_cancelled = True

    def _go_on(self) -> None:
        if self.is_cancelled or self._is_paused:
            return
        act = next(self._steps, None)
        if act is None:
            return
        name, *facts = act
        getattr(self._sink, name)(*facts)
        asyncio.get_running_loop().call_soon(self._go_on)


@dataclass
class PlayedTransport:
    """The fast lane's transport; what it plays is written as for the replay transport.

    `is_silent` leaves bodies open: after the last piece nothing comes.
    """

    play: Player
    is_silent: bool = False
    requests: list[HTTPRequest] = field(default_factory=list[HTTPRequest])
    exchanges: list[PlayedExchange] = field(default_factory=list[PlayedExchange])

    def prepare(self, request: HTTPRequest, /) -> PlayedRequest:
        return PlayedRequest(self, request)

    def start(self, request: HTTPRequest, sink: Any) -> PlayedExchange:
        self.requests.append(request)
        exchange = PlayedExchange(sink, self._steps(request))
        self.exchanges.append(exchange)
        return exchange

    def can_send(self, url: str, /) -> bool:
        return url.startswith("http")

    def _steps(self, request: HTTPRequest) -> Iterator[Any]:
        try:
            recorded = self.play(request)
        except APIError as error:
            yield "on_error", error
            return
        if recorded.error is not None and recorded.is_refused:
            yield "on_error", recorded.error
            return
        pieces = [piece for piece in recorded.pieces if piece]
        if recorded.status == 200 and len(pieces) == 1 and recorded.error is None:
            yield "on_whole", whole_reply(recorded.headers, pieces[0])
            return
        yield "on_head", recorded.status, recorded.headers
        for piece in recorded.pieces:
            yield "on_piece", piece
        if self.is_silent:
            return
        yield ("on_error", recorded.error) if recorded.error is not None else ("on_end",)


def whole_reply(headers: Mapping[str, str], body: bytes) -> WholeReply:
    """A reply that comes at once."""
    lines = "\r\n".join(f"{name}: {value}" for name, value in headers.items()).encode("latin-1")
    return WholeReply(200, lines, b"\r\n" + lines.lower(), body)


@dataclass(frozen=True)
class PlayedRequest:
    """A request that lacks its body only."""

    transport: PlayedTransport
    empty: HTTPRequest

    def start(self, body: bytes, sink: Any, /) -> PlayedExchange:
        return self.transport.start(replace(self.empty, body=body), sink)


class Wire(asyncio.Transport):
    """The client's end of a connection: keeps what the gateway writes."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False
        self.is_half_closed = False
        self.reads = True

    @property
    def has_ended(self) -> bool:
        """Whether the client sees the end of what the gateway writes."""
        return self.is_closed or self.is_half_closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """The gateway writes no more, and still reads."""
        self.is_half_closed = True

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None:
        """The gateway reads no more for now."""
        self.reads = False

    def resume_reading(self) -> None:
        """It reads on."""
        self.reads = True


class _Reader:
    """httptools' callbacks for one reply."""

    def __init__(self) -> None:
        self.answer = Answer()
        self.is_whole = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.answer.headers[name.decode().lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.answer.pieces.append(body)

    def on_message_complete(self) -> None:
        self.is_whole = True


def read_answer(data: bytes) -> Answer | None:
    """The reply that these bytes are; None while it is not whole."""
    reader = _Reader()
    parser = httptools.HttpResponseParser(reader)
    with suppress(httptools.HttpParserUpgrade):
        parser.feed_data(data)
    reader.answer.status = parser.get_status_code() if data else 0
    return reader.answer if reader.is_whole else None


def request_bytes(
    body: Any, headers: Mapping[str, str] | None = None, path: str = "/v1/chat/completions"
) -> bytes:
    """A POST as a client writes it."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"host": "gateway", "content-type": "application/json", **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return (
        f"POST {path} HTTP/1.1\r\n{head}content-length: {len(content)}\r\n\r\n".encode() + content
    )


class Edge:
    """A gateway behind uvicorn's protocol, with the fast lane open or not. Needs a running loop.

    `events` are what a hook is told; without hooks of its own there are none.
    """

    def __init__(
        self,
        play: Player,
        config: str,
        *,
        is_fast: bool,
        hooks: tuple[Hook, ...] = (),
        hot: PlayedTransport | None = None,
        ledger: Ledger | None = None,
        has_hooks: bool = True,
    ) -> None:
        self.events: list[CallEvent] = []
        self.hot = hot or PlayedTransport(play)
        self.full = AsyncReplayTransport(play)
        self.app = Gateway(
            directory_of(config),
            transport=self.full,
            clock=FakeClock(),
            hooks=(self.events.append, *hooks) if has_hooks else hooks,
            lane_transport=self.hot if is_fast else None,
            admission=ledger,
            meters=() if ledger is None else (ledger,),
        )
        self.app.open_fast_lane()
        self._config = uvicorn.Config(
            self.app, http=GatewayProtocol, lifespan="off", log_config=None, proxy_headers=False
        )
        self._config.load()
        self.state = ServerState()

    def connect(self, wire: Wire | None = None) -> tuple[GatewayProtocol, Wire]:
        """A client's connection."""
        protocol = GatewayProtocol(self._config, self.state, {}, asyncio.get_running_loop())
        wire = wire or Wire()
        protocol.connection_made(wire)
        return protocol, wire

    async def ask(self, data: bytes) -> Answer:
        """The reply to one request's bytes."""
        protocol, wire = self.connect()
        protocol.data_received(data)
        for _ in range(2_000):
            answer = read_answer(wire.written)
            if answer is not None:
                protocol.connection_lost(None)
                return answer
            await asyncio.sleep(0)
        raise AssertionError(f"no whole reply: {wire.written[:300]!r}")
