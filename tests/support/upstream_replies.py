"""What a client sent, replies to it in every shape, and the usual answer of a host."""

from __future__ import annotations

import gzip
import itertools
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
