"""Hostile requests, and answers of hosts, as bytes: what is sent, and what the host says to it."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.asgi import MODEL
from tests.support.hostile import (
    ANSWERS,
    END,
    REQUESTS,
    STREAMS,
    WORDS,
    completion,
    delta,
    fill,
    unlike,
)

from benchmarks.asks import CHAT

_TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
_JSON = "application/json"
_EVENTS = "text/event-stream"
_EMBEDDINGS = (
    b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1]}],'
    b'"model":"m","usage":{"prompt_tokens":1,"total_tokens":1}}'
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the host answers."""

    body: bytes
    status: int = 200
    content_type: str = _JSON
    encoding: str = ""

    def wire(self) -> bytes:
        """Its bytes."""
        encoding = f"content-encoding: {self.encoding}\r\n" if self.encoding else ""
        head = (
            f"HTTP/1.1 {self.status} Said\r\ncontent-type: {self.content_type}\r\n{encoding}"
            f"content-length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


@dataclass(frozen=True, slots=True)
class Sent:
    """A request, what the host answers to it, and how long the longer of both is when opened."""

    path: str
    body: bytes
    reply: Reply
    size: int


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of input. `make` of it gives the input at about so many bytes."""

    name: str
    part: str
    kind: str
    status: int = 200

    def make(self, size: int) -> Sent:
        """The request and the answer."""
        return _PARTS[self.part](self, size)


def cases() -> list[Case]:
    """All of them."""
    return [
        *(Case(f"request: {kind}", "request", kind) for kind in REQUESTS),
        *(Case(f"answer: {kind}", "answer", kind) for kind in ANSWERS),
        *(Case(f"error: {kind}", "answer", kind, 400) for kind in ANSWERS),
        *(Case(f"stream: {kind}", "stream", kind) for kind in STREAMS),
        *(Case(f"words: {kind}", "words", kind) for kind in WORDS),
        *(Case(f"streamed words: {kind}", "streamed words", kind) for kind in WORDS),
        *(Case(f"schema: {kind}", "schema", kind) for kind in _SCHEMAS),
        *(Case(f"gzip: {kind}", "gzip", kind) for kind in ("zeros", "nested", "values")),
        *(Case(f"messages stream: {kind}", "messages stream", kind) for kind in _CLIENT_STREAMS),
        *(Case(f"responses stream: {kind}", "responses stream", kind) for kind in _CLIENT_STREAMS),
    ]


def mixed(case: Case, size: int, dice: random.Random) -> Sent:
    """A case's request and answer, each cut somewhere, with something odd at the cut."""
    sent = case.make(size)
    reply = Reply(_cut(sent.reply.body, dice), sent.reply.status, sent.reply.content_type)
    body = _cut(sent.body, dice) if case.part == "request" else sent.body
    return Sent(sent.path, body, reply, max(len(body), len(reply.body)))


def _cut(body: bytes, dice: random.Random) -> bytes:
    return body[: dice.randint(0, len(body))] + dice.choice((b"", b"[", b'"', b"\\", b"]", b"\xff"))


def asked(**more: Any) -> bytes:
    """A plain chat request with a tool, once and not again."""
    messages = [{"role": "user", "content": "hi"}]
    fields = {"model": MODEL, "messages": messages, "tools": _TOOLS, "num_retries": 0, **more}
    return json.dumps(fields).encode()


def _request(case: Case, size: int) -> Sent:
    path, make = REQUESTS[case.kind]
    body = make(size)
    reply = Reply(_EMBEDDINGS if path == "/v1/embeddings" else completion())
    return Sent(path, body, reply, len(body))


def _answer(case: Case, size: int) -> Sent:
    body = ANSWERS[case.kind](size)
    kind = "text/html" if body.startswith(b"<html>") else _JSON
    return Sent(CHAT, asked(), Reply(body, case.status, kind), len(body))


def _stream(case: Case, size: int) -> Sent:
    body = STREAMS[case.kind](size)
    return Sent(CHAT, asked(stream=True), Reply(body, content_type=_EVENTS), len(body))


def _words(case: Case, size: int) -> Sent:
    body = completion(b'"content":' + json.dumps(WORDS[case.kind](size)).encode())
    return Sent(CHAT, asked(rescue_tool_calls=True), Reply(body), len(body))


def _streamed_words(case: Case, size: int) -> Sent:
    text = WORDS[case.kind](size)
    pieces = [text[at : at + 1_000] for at in range(0, len(text), 1_000)]
    body = b"".join(delta(b'"content":' + json.dumps(piece).encode()) for piece in pieces) + END
    request = asked(stream=True, rescue_tool_calls=True)
    return Sent(CHAT, request, Reply(body, content_type=_EVENTS), len(body))


_LONG_LIST = {"type": "array", "uniqueItems": True}
_SCHEMAS: dict[str, tuple[Any, str]] = {
    "unique numbers": (_LONG_LIST, "%d"),
    "unique objects": (_LONG_LIST, '{"a":%d}'),
    "any of many": (
        {"type": "array", "items": {"anyOf": [{"const": f"x{n}"} for n in range(1_000)]}},
        '"%d"',
    ),
    "one of many": (
        {"type": "array", "items": {"oneOf": [{"const": f"x{n}"} for n in range(1_000)]}},
        '"%d"',
    ),
    "doubling references": (
        {
            "$ref": "#/$defs/r0",
            "$defs": {
                **{f"r{n}": {"allOf": [{"$ref": f"#/$defs/r{n + 1}"}] * 2} for n in range(24)},
                "r24": {"type": "array"},
            },
        },
        "%d",
    ),
    "a pattern": ({"type": "array", "items": {"pattern": "^(a+)+$"}}, '"' + "a" * 40 + '!%d"'),
    "a quadratic pattern": (
        {"type": "array", "items": {"pattern": "a*a*b"}},
        '"' + "a" * 9 + '%d"',
    ),
    "formats": ({"type": "array", "items": {"type": "string", "format": "email"}}, '"@%d"'),
}


def _schema(case: Case, size: int) -> Sent:
    inner, form = _SCHEMAS[case.kind]
    definitions = inner.get("$defs", {})
    value = {name: part for name, part in inner.items() if name != "$defs"}
    schema = {"type": "object", "properties": {"v": value}, "$defs": definitions}
    format_ = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    text = '{"v":[' + unlike(form.encode(), size).decode() + "]}"
    body = completion(b'"content":' + json.dumps(text).encode())
    request = asked(response_format=format_, emulate_response_format=True, format_retries=0)
    return Sent(CHAT, request, Reply(body), max(len(body), len(request)))


def _gzip(case: Case, size: int) -> Sent:
    if case.kind == "zeros":
        inside = completion(b'"content":"' + b"0" * size + b'"')
    elif case.kind == "nested":
        inside = b"[\n" * (size // 2)
    else:
        inside = completion(whole=b',"x":' + fill(b"[]", size))
    reply = Reply(gzip.compress(inside), encoding="gzip")
    return Sent(CHAT, asked(), reply, len(inside))


_CLIENT_STREAMS = ("texts", "calls", "pieces of a call", "choices", "empty events")


def _messages_stream(case: Case, size: int) -> Sent:
    body = STREAMS[case.kind](size)
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    request = asked(stream=True, max_tokens=9, tools=tools)
    return Sent("/v1/messages", request, Reply(body, content_type=_EVENTS), len(body))


def _responses_stream(case: Case, size: int) -> Sent:
    body = STREAMS[case.kind](size)
    fields = {"model": MODEL, "input": "hi", "stream": True, "num_retries": 0}
    request = json.dumps(fields).encode()
    return Sent("/v1/responses", request, Reply(body, content_type=_EVENTS), len(body))


_PARTS = {
    "request": _request,
    "answer": _answer,
    "stream": _stream,
    "words": _words,
    "streamed words": _streamed_words,
    "schema": _schema,
    "gzip": _gzip,
    "messages stream": _messages_stream,
    "responses stream": _responses_stream,
}


def in_order(seed: int) -> Iterator[Case]:
    """All cases, shuffled, so that a run that is cut short sees others each time."""
    every = cases()
    random.Random(seed).shuffle(every)
    yield from every
