"""What a load is, and what came of it: plain values, which the load's process reads and prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.asks import ASKS, CHAT
from benchmarks.upstream import ask_name, model_name

_FILLER = " It was blue yesterday, and it will be blue again tomorrow."
_CHUNKS = 64  # of the model that a plain question names
_TOOL = {
    "type": "function",
    "function": {
        "name": "colour_of_the_sky",
        "description": "Its colour at an hour.",
        "parameters": {"type": "object", "properties": {"hour": {"type": "integer"}}},
    },
}
MENDED: Mapping[str, Any] = {"tools": [_TOOL], "drop_params": False}
"""What a question has beside the usual fields to be read and mended in the gateway's full lane."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to send to 127.0.0.1. It ends after `seconds` or `requests`, whichever is given.

    Attributes:
        port, path, key, headers: whom to ask, and the headers that its door wants.
        connections: how many are kept open.
        chunks: above 0 it asks for streams of so many chunks, `pause_ms` apart.
        padding: how many bytes the question is longer than usual.
        rate: requests a second at random moments (Poisson), whether answers come or not; 0 asks
            on each connection anew as soon as it has its answer.
        is_in_turn: with a rate, the connection that was idle longest is asked; else the one that
            fell idle last, as clients' pools do.
        model_form: how the server calls the upstream's model `{}`.
        extra: further fields of the request's body.
        ask: what is asked in the place of the usual question, by its name in `asks.py`; `chunks`
            above 0 then asks for a stream, whose length is the answer's own.
    """

    port: int
    connections: int
    key: str = ""
    seconds: float | None = None
    requests: int | None = None
    chunks: int = 0
    pause_ms: int = 0
    padding: int = 0
    rate: float = 0.0
    is_in_turn: bool = False
    path: str = CHAT
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    model_form: str = "{}"
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    ask: str = ""

    def request(self) -> bytes:
        """The request's bytes."""
        headers = {**bearer(self.key), **self.headers}
        if self.ask:
            ask = ASKS[self.ask]
            model = self.model_form.format(ask_name(self.ask, self.pause_ms))
            body = {**ask.request_body(model, is_stream=bool(self.chunks)), **self.extra}
            return posted(self.port, self.path, {**headers, **ask.headers}, body)
        body = {
            "model": self.model_form.format(model_name(self.chunks or _CHUNKS, self.pause_ms)),
            "messages": [
                {"role": "system", "content": "You are a helpful assistant."},
                {
                    "role": "user",
                    "content": "Tell me in one paragraph why the sky is blue."
                    + _FILLER * (self.padding // len(_FILLER)),
                },
            ],
            "max_tokens": 128,
            "temperature": 0.7,
            **self.extra,
        }
        if self.chunks:
            body["stream"] = True
        return posted(self.port, self.path, headers, body)


def bearer(key: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"authorization": f"Bearer {key}"}


def posted(port: int, path: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> bytes:
    """A POST of JSON to 127.0.0.1 as bytes."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    fields = {
        "host": f"127.0.0.1:{port}",
        **headers,
        "content-type": "application/json",
        "content-length": str(len(content)),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + content


@dataclass(slots=True)
class Outcome:
    """What came of a job. Times are sorted.

    Attributes:
        latencies_us: from the moment that a request was due, to the end of its reply.
        firsts_us: the same to the first byte of its body.
        lates_us: how long after its due moment a request of a `rate` was sent.
        cpu_us: core time of the load itself.
    """

    requests: int = 0
    chunks: int = 0
    seconds: float = 0.0
    errors: list[str] = field(default_factory=list[str])
    latencies_us: list[float] = field(default_factory=list[float])
    firsts_us: list[float] = field(default_factory=list[float])
    lates_us: list[float] = field(default_factory=list[float])
    cpu_us: float = 0.0

    @property
    def rate(self) -> float:
        """Good requests per second."""
        return self.requests / self.seconds

    def latency_us(self, share: float) -> float:
        """The latency that this share of the requests stays under."""
        return quantile(self.latencies_us, share)


def quantile(values: list[float], share: float) -> float:
    """The value that this share of sorted values stays under."""
    return values[min(int(share * len(values)), len(values) - 1)]


def is_good(job: Job, status: int, body: bytes) -> bool:
    """Whether a reply is what the job asked for, whole."""
    if status != 200:  # noqa: PLR2004 - a status
        return False
    if job.ask:
        return ASKS[job.ask].is_told(body, is_stream=bool(job.chunks))
    if job.chunks:
        return chunks_in(body) >= job.chunks and b"data: [DONE]" in body
    return b'"finish_reason"' in body


def chunks_in(body: bytes) -> int:
    """How many chunks a stream's body holds."""
    return body.count(b"data: {")
