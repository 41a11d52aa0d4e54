"""A real HTTP/1.1 server on the loopback that plays an upstream speaking the Llama compat format.

    with Upstream() as up:
        client.completion("meta_llama/x", messages, api_base=up.url, api_key="k")
        assert up.requests[0].json["model"] == "x"

It answers plain, streamed or with a tool call, as the request asks; `plays` gives it other replies.
It runs in a thread with an event loop of its own. No framework: what goes on the wire is here.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Literal, Self, cast

Step = bytes | float
"""Bytes to send, or seconds to pause."""

End = Literal["whole", "close", "reset", "hang"]
"""How a reply ends: as HTTP wants it; or early, by a FIN, by an RST, or by silence."""

HEADERS = {
    "x-ratelimit-limit-requests": "100",
    "x-ratelimit-remaining-requests": "99",
    "x-request-id": "req_up_1",
    "x-vendor-foo": "bar",
}
ENVELOPE = {"id": "cmpl-up-1", "created": 1747000000, "system_fingerprint": "fp_x"}
USAGE = {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15}
PIECES = ("Hel", "lo", " wor", "ld")
TEXT = "".join(PIECES)
ARGUMENTS = '{"location":"San Francisco, CA"}'
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came. Header names are lower-case; `at` is `time.monotonic()`."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered. Make it with one of the functions below, or from its parts.

    Attributes:
        steps: the body: bytes to send and seconds to pause. It may be without end.
        delay_s: the silence before the head.
        is_chunked: chunked framing; else the length is told, or, where it is not known, the
            connection is closed at the end.
        is_raw: `steps` are all that is sent; no head is made.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    steps: Iterable[Step] = ()
    delay_s: float = 0.0
    is_chunked: bool = False
    is_raw: bool = False
    end: End = "whole"

    @classmethod
    def json(cls, value: Any, *, status: int = 200, **headers: str) -> Self:
        """A JSON body."""
        return cls.bytes_of(
            json.dumps(value, ensure_ascii=False).encode(), status=status, **headers
        )

    @classmethod
    def bytes_of(
        cls,
        body: bytes,
        *,
        status: int = 200,
        content_type: str = "application/json",
        **headers: str,
    ) -> Self:
        """A body as it stands."""
        return cls(status, {"content-type": content_type, **_named(headers)}, (body,))

    @classmethod
    def error(cls, status: int, detail: str = "", **headers: str) -> Self:
        """An error in the Llama API's form (problem details)."""
        text = detail or f"detail for {status}"
        body = {"title": "Some Title", "detail": text, "status": status}
        return cls.json(body, status=status, **headers)

    @classmethod
    def html(cls, title: str = "Llama", status: int = 200) -> Self:
        """A web page."""
        page = f"<!doctype html><html><head><title>{title}</title></head><body>…</body></html>"
        return cls.bytes_of(page.encode(), status=status, content_type="text/html; charset=utf-8")

    @classmethod
    def redirect(cls, location: str, status: int = 307) -> Self:
        """A redirect."""
        return cls.bytes_of(b"", status=status, content_type="text/plain", location=location)

    @classmethod
    def sse(
        cls, *events: Any, pause_s: float = 0.0, is_done: bool = True, end: End = "whole"
    ) -> Self:
        """Server-sent events: objects become `data:` frames, bytes are sent as they are.

        `pause_s` passes between two; `is_done` adds the `[DONE]` frame.
        """
        frames = [e if isinstance(e, bytes) else event(e) for e in events]
        steps: list[Step] = []
        for frame in [*frames, DONE] if is_done else frames:
            steps += [pause_s, frame] if steps and pause_s else [frame]
        return cls(200, {"content-type": "text/event-stream"}, steps, is_chunked=True, end=end)

    @classmethod
    def text_stream(
        cls, *texts: str, pause_s: float = 0.0, end: End = "whole", is_done: bool = True
    ) -> Self:
        """A whole streamed answer in the given pieces."""
        return cls.sse(*text_chunks(texts), pause_s=pause_s, end=end, is_done=is_done)

    @classmethod
    def endless(cls, pause_s: float = 0.01) -> Self:
        """A stream that never ends by itself."""
        frame = event(chunk({"content": "on and "}))
        steps: Iterable[Step] = itertools.cycle((frame, pause_s))
        return cls(200, {"content-type": "text/event-stream"}, steps, is_chunked=True)

    @classmethod
    def drip(cls, pause_s: float = 0.05) -> Self:
        """A JSON body that comes byte by byte, and does not end."""
        steps: Iterable[Step] = itertools.cycle((b" ", pause_s))
        return cls(200, {"content-type": "application/json"}, steps, is_chunked=True)

    @classmethod
    def hang(cls) -> Self:
        """Silence: not even a head."""
        return cls(is_raw=True, end="hang")

    @classmethod
    def raw(cls, *steps: Step, end: End = "close") -> Self:
        """Bytes on the socket, whatever they are."""
        return cls(steps=steps, is_raw=True, end=end)

    @classmethod
    def reset(cls) -> Self:
        """No reply: the connection is reset."""
        return cls(is_raw=True, end="reset")

    def gzipped(self) -> Self:
        """The same with its body compressed."""
        whole = b"".join(step for step in self.steps if isinstance(step, bytes))
        headers = {**self.headers, "content-encoding": "gzip"}
        return replace(self, headers=headers, steps=(gzip.compress(whole),))

    def chunked(self, size: int = 7) -> Self:
        """The same in chunked framing, in pieces of `size` bytes."""
        whole = b"".join(step for step in self.steps if isinstance(step, bytes))
        pieces = [whole[i : i + size] for i in range(0, len(whole), size)]
        return replace(self, steps=pieces, is_chunked=True)

    def after(self, delay_s: float) -> Self:
        """The same after a silence."""
        return replace(self, delay_s=delay_s)

    def ending(self, end: End) -> Self:
        """The same with another end."""
        return replace(self, end=end)


Player = Callable[[Received], Reply]


def completion_body(
    message: Mapping[str, Any] | None = None,
    *,
    finish_reason: str = "stop",
    model: str = "Llama-3.3-8B-Instruct",
    **fields: Any,
) -> dict[str, Any]:
    """A whole completion; a keyword that is None leaves its field out."""
    said = message if message is not None else {"content": TEXT, "refusal": None}
    body = {
        **ENVELOPE,
        "object": "chat.completion",
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", **said},
                "finish_reason": finish_reason,
                "logprobs": None,
            }
        ],
        "usage": USAGE,
        "x_extra": {"k": 1},
        **fields,
    }
    return {name: value for name, value in body.items() if value is not None}


def chunk(delta: Mapping[str, Any] | None, finish_reason: str | None = None) -> dict[str, Any]:
    """One streamed chunk with one choice."""
    return {
        **ENVELOPE,
        "object": "chat.completion.chunk",
        "model": "Llama-3.3-8B-Instruct",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }


def text_chunks(texts: Sequence[str] = PIECES, finish_reason: str = "stop") -> list[dict[str, Any]]:
    """The chunks of a text: the role, each piece, the finish."""
    first = chunk({"role": "assistant", "content": ""})
    return [first, *(chunk({"content": text}) for text in texts), chunk({}, finish_reason)]


def usage_chunk() -> dict[str, Any]:
    """The usage chunk, as OpenAI sends it when asked."""
    return {**chunk({}), "choices": [], "usage": USAGE}


def event(value: Any) -> bytes:
    """A `data:` frame."""
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def answer(received: Received) -> Reply:
    """The answer to a request that nothing was scripted for."""
    if not received.path.partition("?")[0].endswith("/chat/completions"):
        return Reply.error(404, f"no such path: {received.path}")
    try:
        body = cast("dict[str, Any]", received.json)
    except ValueError:
        return Reply.error(400, "the body is not JSON")
    reply = _streamed(body) if body.get("stream") else _whole(body)
    return replace(reply, headers={**reply.headers, **HEADERS})


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


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    """Keyword names as header names."""
    return {name.replace("_", "-"): value for name, value in headers.items()}


def _tool_of(body: Mapping[str, Any]) -> str | None:
    """The tool that the usual answer calls: the first, unless its result is there already."""
    if not body.get("tools") or body.get("tool_choice") == "none":
        return None
    if body["messages"] and body["messages"][-1].get("role") == "tool":
        return None
    return str(body["tools"][0]["function"]["name"])


def _whole(body: Mapping[str, Any]) -> Reply:
    tool = _tool_of(body)
    model = str(body.get("model"))
    if tool is None:
        return Reply.json(completion_body(model=model))
    function = {"name": tool, "arguments": ARGUMENTS}
    calls = [{"id": "call_1", "type": "function", "function": function}]
    said = {"content": None, "tool_calls": calls}
    return Reply.json(completion_body(said, finish_reason="tool_calls", model=model))


def _streamed(body: Mapping[str, Any]) -> Reply:
    tool = _tool_of(body)
    chunks = text_chunks() if tool is None else tool_chunks(tool)
    for one in chunks:
        one["model"] = body.get("model")
    if (body.get("stream_options") or {}).get("include_usage"):
        chunks.append({**usage_chunk(), "model": body.get("model")})
    return Reply.sse(*chunks)


def tool_chunks(name: str = "get_weather", pieces: int = 4) -> list[dict[str, Any]]:
    """The chunks of one tool call: id and name first, then the arguments in pieces."""
    size = -(-len(ARGUMENTS) // pieces)
    function = {"name": name, "arguments": ""}
    call = {"index": 0, "id": "call_1", "type": "function", "function": function}
    return [
        chunk({"role": "assistant", "content": None, "tool_calls": [call]}),
        *(
            chunk(
                {"tool_calls": [{"index": 0, "function": {"arguments": ARGUMENTS[i : i + size]}}]}
            )
            for i in range(0, len(ARGUMENTS), size)
        ),
        chunk({}, "tool_calls"),
    ]
