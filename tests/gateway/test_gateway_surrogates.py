"""Half of a character in a client's body or in an answer costs that sign, in every shape."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.gateway.test_gateway_failed_ends import SHAPES, ask
from tests.support.asgi import House
from tests.support.lane_pairs import AUTH, ask_both
from tests.support.lanes import request_bytes
from tests.support.native_texts import (
    SSE,
    choice,
    frames,
    house,
    piece,
    whole,
)
from tests.support.native_texts import ask as ask_text
from tests.support.upstream import Reply, Upstream, completion_body, text_chunks

from puna.telemetry.events import CallEvent
from puna.transports.replay import Recorded

HALF = "\ud83e"
SIGN = "\ufffd"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("is_stream", [True, False])
def test_a_clients_half_pair_costs_that_sign_eliza_30904(
    upstream: Upstream,
    shape: str,
    is_stream: bool,  # noqa: FBT001 - a parametrised case
) -> None:
    path, body = SHAPES[shape]
    asked = json.dumps({**body, "stream": is_stream, "user": "hi"}).replace('"hi"', '"h\\ud83ei"')
    answer = House(upstream).ask(path, asked.encode(), {"anthropic-version": "2023-06-01"})
    assert answer.status == 200
    (sent,) = upstream.requests
    assert sent.json["messages"][0]["content"] == f"h{SIGN}i"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("is_stream", [True, False])
def test_a_hosts_half_pair_costs_that_sign_eliza_30904(
    upstream: Upstream,
    shape: str,
    is_stream: bool,  # noqa: FBT001 - a parametrised case
) -> None:
    body = completion_body({"content": f"a\ud83e\udd99{HALF}b"})
    complete = Reply.bytes_of(json.dumps(body).encode())
    frames = text_chunks(("a\ud83e", "\udd99", f"{HALF}b"))
    events = [b"data: " + json.dumps(one).encode() + b"\n\n" for one in frames]
    upstream.plays(Reply.sse(*events) if is_stream else complete)
    answer = ask(upstream, shape, stream=is_stream)
    assert answer.status == 200
    assert "error" not in answer.text.replace('"error":null', "")
    text = answer.text
    assert "🦙" in text
    assert f"{SIGN}b" in text
    assert answer.headers.get("x-puna-replaced-signs") == (None if is_stream else "1")


def test_a_native_texts_half_pair_costs_that_sign() -> None:
    """As eliza#30904, from a host with an endpoint for texts, whose stream ended there."""
    pieces = [piece(f"a{HALF}"), piece("\udd99b"), piece(HALF), piece("c", "stop")]
    seen: list[CallEvent] = []
    made, _ = house(Recorded(200, SSE, [frames(*pieces)]), whole(choice(f"a{HALF}b")), seen=seen)
    streamed = ask_text(made, stream=True)
    said = "".join(one["choices"][0]["text"] for one in streamed.chunks)
    assert said == f"a{HALF}\udd99b{SIGN}c".encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    answer = ask_text(made)
    assert answer.json["choices"][0]["text"] == f"a{SIGN}b"
    assert [event.report.replaced_signs for event in seen] == [1, 1]


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("place", ["content", "extra", "fingerprint", "finish"])
def test_both_lanes_agree_on_halves_of_characters(
    place: str,
    is_stream: bool,  # noqa: FBT001 - a parametrised case
) -> None:
    spent = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    head: dict[str, Any] = {"id": "c", "created": 5, "model": "up/model"}
    if place == "fingerprint":
        head["system_fingerprint"] = f"fp{HALF}"
    if place == "extra":
        head["x"] = [HALF]
    said = f"lo{HALF}" if place == "content" else "lo"
    if is_stream:
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "Hel"}, {"content": said}]
        ends: list[Any] = [None, None, "stop"]
        choices = [
            {"index": 0, "delta": delta, "finish_reason": end}
            for delta, end in zip([*deltas, {}], ends, strict=True)
        ]
        bodies = [{**head, "object": "chat.completion.chunk", "choices": [one]} for one in choices]
        if place == "finish":
            bodies[-1]["x"] = HALF
        bodies.append({**head, "object": "chat.completion.chunk", "choices": [], "usage": spent})
        pieces = [b"data: " + json.dumps(one).encode() + b"\n\n" for one in bodies]
        pieces.append(b"data: [DONE]\n\n")
        kind = "text/event-stream"
    else:
        message = {"role": "assistant", "content": f"Hel{said}"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        made = {**head, "object": "chat.completion", "choices": [choice], "usage": spent}
        pieces, kind = [json.dumps(made).encode()], "application/json"
    recorded = Recorded(200, {"content-type": kind}, tuple(pieces))
    asked = {"model": "public", "messages": [{"role": "user", "content": "hi"}]}
    data = request_bytes({**asked, "stream": is_stream}, AUTH)
    fast, _, answer = asyncio.run(ask_both(lambda _: recorded, data))
    assert answer.status == 200
    in_body = sum(piece.count(rb"\ud83e") for piece in pieces)
    assert [event.report.replaced_signs for event in fast.events] == [in_body]
    text = answer.text if is_stream else json.dumps(answer.json, ensure_ascii=False)
    assert "ud83e" not in text
    assert "error" not in text
