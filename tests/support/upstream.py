"""A real HTTP/1.1 server on the loopback that plays an upstream speaking the Llama compat format.

    with Upstream() as up:
        client.completion("meta_llama/x", messages, api_base=up.url, api_key="k")
        assert up.requests[0].json["model"] == "x"

It answers plain, streamed or with a tool call, as the request asks; `plays` gives it other replies.
It runs in a thread with an event loop of its own. No framework: what goes on the wire is here.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self, cast

from tests.support.upstream_replies import (
    ARGUMENTS,
    DONE,
    ENVELOPE,
    HEADERS,
    PIECES,
    TEXT,
    USAGE,
    End,
    Player,
    Received,
    Reply,
    Step,
    answer,
    chunk,
    completion_body,
    event,
    text_chunks,
    tool_chunks,
    usage_chunk,
)

__all__ = (
    "ARGUMENTS",
    "DONE",
    "ENVELOPE",
    "HEADERS",
    "PIECES",
    "TEXT",
    "USAGE",
    "End",
    "Player",
    "Received",
    "Reply",
    "Step",
    "Upstream",
    "answer",
    "chunk",
    "completion_body",
    "event",
    "text_chunks",
    "tool_chunks",
    "usage_chunk",
)


class Upstream:
    """The server. Use it in a `with`.

    Attributes:
        requests: what came, in order.
        disconnects: clients that left before their reply's end.
        connections: how many were ever accepted.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Received] = []
        self.disconnects = 0
        self.connections = 0
        self._tls = tls
        self._queue: deque[Reply] = deque()
        self._player: Player = answer
        self._open: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)
        self._is_up = threading.Event()
        self.port = 0

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/compat/v1"

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host = "localhost" if self._tls else "127.0.0.1"
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    @property
    def open_connections(self) -> int:
        """Connections that are open now."""
        return len(self._open)

    @property
    def open_replies(self) -> int:
        """Replies that are being played now."""
        return sum(connection.is_playing for connection in tuple(self._open))

    def plays(self, *replies: Reply) -> None:
        """The next replies, in order; after them the usual ones."""
        self._queue.extend(replies)

    def plays_always(self, player: Player | Reply) -> None:
        """This reply, or what this function makes of a request, in place of the usual ones."""
        self._player = (lambda _: player) if isinstance(player, Reply) else player

    def sees(self, fact: Callable[[], bool], *, within_s: float = 2.0) -> bool:
        """Whether something comes true in time; for what another thread brings about."""
        limit = time.monotonic() + within_s
        while not fact():
            if time.monotonic() > limit:
                return False
            time.sleep(0.002)
        return True

    def reply_to(self, received: Received) -> Reply:
        """Note a request and choose its reply."""
        self.requests.append(received)
        return self._queue.popleft() if self._queue else self._player(received)

    def opened(self, connection: _Connection) -> None:
        """A client came."""
        self.connections += 1
        self._open.add(connection)

    def closed(self, connection: _Connection, *, is_early: bool) -> None:
        """A client left, or was sent away."""
        self._open.discard(connection)
        self.disconnects += is_early

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._is_up.wait(5):
            raise RuntimeError("the upstream did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await self._loop.create_server(
            lambda: _Connection(self), "127.0.0.1", 0, ssl=self._tls, backlog=1024
        )
        self.port = server.sockets[0].getsockname()[1]
        self._is_up.set()
        await self._stop.wait()
        server.close()
        while self._open:
            for connection in tuple(self._open):
                connection.abort()
            await asyncio.sleep(0)


class _Connection(asyncio.Protocol):
    """One client: reads requests and plays a reply to each, in order."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._buffer = bytearray()
        self._playing: asyncio.Task[None] | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._is_leaving = False

    @property
    def is_playing(self) -> bool:
        """Whether a reply is under way."""
        return self._playing is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self._transport = cast("asyncio.Transport", transport)
        self._upstream.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's contract
        """The client left, or we closed."""
        playing = self._playing
        self._upstream.closed(self, is_early=playing is not None and not self._is_leaving)
        if playing is not None:
            playing.cancel()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        self._buffer += data
        self._begin()

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """The client caught up."""
        self._may_write.set()

    def abort(self) -> None:
        """Drop the client; it does not count as having left."""
        self._is_leaving = True
        self._transport.abort()

    def _begin(self) -> None:
        if self._playing is not None:
            return
        received = _read_request(self._buffer)
        if received is not None:
            reply = self._upstream.reply_to(received)
            keeps = "close" not in received.headers.get("connection", "").lower()
            self._playing = asyncio.get_running_loop().create_task(
                self._play(reply, keeps_alive=keeps)
            )

    async def _play(self, reply: Reply, *, keeps_alive: bool) -> None:
        with suppress(asyncio.CancelledError):
            if reply.delay_s:
                await asyncio.sleep(reply.delay_s)
            steps = reply.steps
            if not reply.is_raw:
                steps = itertools.chain((_head(reply),), map(_framing(reply), steps))
            for step in steps:
                await self._take(step)
            await self._finish(reply, keeps_alive=keeps_alive)

    async def _take(self, step: Step) -> None:
        if isinstance(step, bytes):
            self._transport.write(step)
            await self._may_write.wait()
        else:
            await asyncio.sleep(step)

    async def _finish(self, reply: Reply, *, keeps_alive: bool) -> None:
        if reply.end == "hang":
            await asyncio.Event().wait()
        if reply.end == "reset":
            self._reset()
            return
        if reply.end == "whole" and reply.is_chunked:
            self._transport.write(b"0\r\n\r\n")
        self._playing = None
        if reply.end == "close" or reply.is_raw or not keeps_alive:
            self._is_leaving = True
            self._transport.close()
        else:
            self._begin()

    def _reset(self) -> None:
        self._is_leaving = True
        sock = cast("socket.socket", self._transport.get_extra_info("socket"))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


def _read_request(buffer: bytearray) -> Received | None:
    """Take one whole request off the front of the buffer."""
    head, blank, rest = bytes(buffer).partition(b"\r\n\r\n")
    if not blank:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
    }
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body, taken = _read_chunks(rest)
    else:
        taken = int(headers.get("content-length", 0))
        body = rest[:taken] if len(rest) >= taken else None
    if body is None:
        return None
    del buffer[: len(head) + len(blank) + taken]
    return Received(method, path, headers, body)


def _read_chunks(rest: bytes) -> tuple[bytes | None, int]:
    """The body of a chunked request and its length on the wire; None while it is not whole."""
    body, at = b"", 0
    while True:
        line_end = rest.find(b"\r\n", at)
        if line_end < 0:
            return None, 0
        size = int(rest[at:line_end].partition(b";")[0], 16)
        at = line_end + 2
        if len(rest) < at + size + 2:
            return None, 0
        body += rest[at : at + size]
        at += size + 2
        if size == 0:
            return body, at


def _head(reply: Reply) -> bytes:
    headers = dict(reply.headers)
    if reply.is_chunked:
        headers["transfer-encoding"] = "chunked"
    elif isinstance(reply.steps, Sequence):
        length = sum(len(step) for step in reply.steps if isinstance(step, bytes))
        # A body that ends early announces more than it holds.
        headers.setdefault("content-length", str(length if reply.end == "whole" else length + 100))
    lines = [f"HTTP/1.1 {reply.status} Said", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _framing(reply: Reply) -> Callable[[Step], Step]:
    def frame(step: Step) -> Step:
        if not isinstance(step, bytes) or not step:
            return step
        return b"%x\r\n%b\r\n" % (len(step), step)

    return frame if reply.is_chunked else lambda step: step
