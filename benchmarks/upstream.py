"""The loopback upstream: OpenAI's chat completions from prepared bytes, on asyncio and uvloop.

`python -m benchmarks.upstream MODEL [CERTIFICATE KEY]` prints its port and serves until it is
ended, over TLS if given a certificate. It serves all models and lists MODEL. The model's name says
what comes: `bench-64-10` streams 64 chunks, one each 10 ms; with a pause of 0 all in one write. In
`bench-64-10-timed` each chunk tells which it is and when it was written. `ask-tool-10` has the
answer to that question of `asks.py`, streamed with an event each 10 ms. `GET /stats` tells the
requests and connections so far; `GET /finish` ends the timed streams, each with its next chunk. A
stream that is asked for its usage tells it.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import uvloop

from benchmarks.asks import ASKS, TEXT

CONTENT_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_ASKED = re.compile(rb'"model": ?"ask-([a-z_]+)-(\d+)"')
_MODEL = re.compile(rb'"model": ?"bench-(\d+)-(\d+)(-timed)?"')
_STREAM = re.compile(rb'"stream": ?true')
_ASKS_USAGE = re.compile(rb'"include_usage": ?true')

USAGE = {"prompt_tokens": 24, "completion_tokens": 64, "total_tokens": 88}


def model_name(chunks: int, pause_ms: int, *, is_timed: bool = False) -> str:
    """The model whose stream has so many chunks, with such pauses."""
    return f"bench-{chunks}-{pause_ms}{'-timed' if is_timed else ''}"


def ask_name(ask: str, pause_ms: int = 0) -> str:
    """The model that answers a question of `asks.py`, streamed with such pauses."""
    return f"ask-{ask}-{pause_ms}"


def whole_body() -> bytes:
    """The body of a reply that is not streamed."""
    message = {"role": "assistant", "content": TEXT}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return _json({**_envelope("chat.completion"), "choices": [choice], "usage": USAGE})


@lru_cache
def events(chunks: int, *, tells_usage: bool = False) -> tuple[bytes, ...]:
    """The events of a stream: so many chunks of a word each, then the finish and `[DONE]`.

    With `tells_usage` as OpenAI says it: a null in each, and the usage behind the finish at once.
    """
    null: dict[str, Any] = {"usage": None} if tells_usage else {}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "The"}]
    deltas += [{"content": " sky"}] * (chunks - 2)
    frames = [_event(delta, None, **null) for delta in deltas]
    end = _event({}, "stop", **null)
    if tells_usage:
        end += _chunk_event(choices=[], usage=USAGE)
    return (*frames, end, b"data: [DONE]\n\n")


TIMED = re.compile(rb"@(\d+):(\d+)@")
"""In a timed chunk: its number, and when it was written: nanoseconds of the monotonic clock, which
processes share."""


@lru_cache
def _timed_parts() -> tuple[bytes, bytes]:
    """What stands before and after number and time in a timed chunk."""
    before, _, after = _event({"content": "@@"}, None).partition(b"@@")
    return before + b"@", b"@" + after


def timed(number: int) -> bytes:
    """The event of a timed chunk that is written now."""
    before, after = _timed_parts()
    return b"%b%d:%d%b" % (before, number, time.monotonic_ns(), after)


def _event(delta: dict[str, Any], finish_reason: str | None, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
    return _chunk_event(choices=[choice], **fields)


def _chunk_event(**fields: Any) -> bytes:
    return b"data: " + _json({**_envelope("chat.completion.chunk"), **fields}) + b"\n\n"


def _envelope(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1_750_000_000, "model": "bench"}


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _reply(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


_WHOLE = _reply(whole_body())
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


@lru_cache
def _whole_reply(ask: str) -> bytes:
    return _reply(ASKS[ask].answer.whole())


@lru_cache
def _events_of(ask: str) -> tuple[bytes, ...]:
    return ASKS[ask].answer.events()


@dataclass(slots=True)
class _Counts:
    requests: int = 0
    connections: int = 0
    open_connections: int = 0
    finished_ns: int = 0

    def told(self) -> dict[str, int]:
        """The counts as they are told; the connection that asks is not open for it."""
        return {
            "requests": self.requests,
            "connections": self.connections,
            "open_connections": self.open_connections - 1,
        }


class _Connection(asyncio.Protocol):
    """One client; requests come one after the other."""

    def __init__(self, counts: _Counts, listed: bytes) -> None:
        self._counts = counts
        self._listed = listed
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None
        self._timed_since_ns = 0  # of the monotonic clock; 0 where the stream is not timed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._counts.connections += 1
        self._counts.open_connections += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's contract
        self._counts.open_connections -= 1
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, rest = self._buffer.partition(b"\r\n\r\n")
        if not blank:
            return
        length = CONTENT_LENGTH.search(head)
        if length is not None and len(rest) < int(length[1]):
            return
        self._buffer = b""
        self._answer(head, rest)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET"):
            if head.startswith(b"GET /finish"):
                self._counts.finished_ns = time.monotonic_ns()
            # Some gateways look up what their upstream serves.
            is_list = head.startswith(b"GET /v1/models")
            self._transport.write(self._listed if is_list else _reply(_json(self._counts.told())))
            return
        self._counts.requests += 1
        asked = _ASKED.search(body)
        if _STREAM.search(body) is None:
            self._transport.write(_whole_reply(asked[1].decode()) if asked else _WHOLE)
            return
        self._timed_since_ns = 0
        if asked is not None:
            self._stream(_events_of(asked[1].decode()), int(asked[2]))
            return
        model = _MODEL.search(body)
        chunks, pause_ms = (int(model[1]), int(model[2])) if model else (64, 0)
        if model and model[3]:
            self._timed_since_ns = time.monotonic_ns()
        tells_usage = _ASKS_USAGE.search(body) is not None
        self._stream(events(chunks, tells_usage=tells_usage), pause_ms)

    def _stream(self, frames: tuple[bytes, ...], pause_ms: int) -> None:
        self._transport.write(_STREAM_HEAD)
        if pause_ms:
            self._play(frames, 0, pause_ms / 1000)
        else:
            self._transport.write(b"".join(map(_framed, frames)) + b"0\r\n\r\n")

    def _play(self, frames: tuple[bytes, ...], at: int, pause_s: float) -> None:
        if not self._timed_since_ns:
            event = frames[at]
        elif self._timed_since_ns < self._counts.finished_ns and at < len(frames) - 2:
            at, event = len(frames) - 2, frames[-2]
        else:
            event = timed(at) if 0 < at < len(frames) - 2 else frames[at]
        self._transport.write(_framed(event))
        if at + 1 < len(frames):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(pause_s, self._play, frames, at + 1, pause_s)
        else:
            self._transport.write(b"0\r\n\r\n")


async def _serve(model: str, certificate: list[str]) -> None:
    listed = _reply(_json({"object": "list", "data": [{"id": model, "object": "model"}]}))
    counts = _Counts()
    loop = asyncio.get_running_loop()
    tls: ssl.SSLContext | None = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*certificate)
    server = await loop.create_server(
        lambda: _Connection(counts, listed), "127.0.0.1", 0, backlog=4096, ssl=tls
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], sys.argv[2:]))
