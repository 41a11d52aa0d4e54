"""In every shape a failure that a host tells as a finish is an error, tried again where it may."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.support.asgi import CHAT, MODEL, Answer, House
from tests.support.faces import BOTH, Face, settings_for
from tests.support.lane_pairs import AUTH, ask_both
from tests.support.lanes import request_bytes
from tests.support.upstream import TEXT, Reply, Upstream, chunk, completion_body, text_chunks

from puna import InternalServerError, ServiceUnavailableError
from puna.transports.replay import Recorded
from puna.wire.http import HTTPRequest

OVERLOADED = {"message": "The model is overloaded", "code": 503}
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", dict(CHAT)),
    "completions": ("/v1/completions", {"model": MODEL, "prompt": "hi"}),
    "responses": ("/v1/responses", {"model": MODEL, "input": "hi"}),
    "messages": ("/v1/messages", {**CHAT, "max_tokens": 9}),
}
FAILURES: dict[str, dict[str, Any]] = {
    "finish": {"finish_reason": "error"},
    "choice": {"finish_reason": "stop", "error": OVERLOADED},
    "native": {"finish_reason": "stop", "native_finish_reason": "network_error"},
}
LINE = b'{"error": {"message": "The model is overloaded", "code": 503}}\n\n'


def failing(failure: dict[str, Any], *texts: str) -> Reply:
    """A stream that fails after these texts."""
    *said, last = text_chunks(texts or ("",))
    last["choices"][0].update(failure)
    return Reply.sse(*said, last) if texts else Reply.sse(last)


def failing_whole(failure: dict[str, Any]) -> Reply:
    body = completion_body({"content": "Hel"})
    body["choices"][0].update(failure)
    return Reply.json(body)


def ask(upstream: Upstream, shape: str, **fields: Any) -> Answer:
    path, body = SHAPES[shape]
    return House(upstream).ask(path, {**body, **fields}, {"anthropic-version": "2023-06-01"})


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FAILURES)
def test_a_whole_answer_that_failed_is_tried_again_bifrost_5425(
    upstream: Upstream, shape: str, name: str
) -> None:
    upstream.plays(failing_whole(FAILURES[name]))
    answer = ask(upstream, shape)
    assert (answer.status, len(upstream.requests)) == (200, 2)
    assert TEXT in answer.text
    upstream.plays(failing_whole(FAILURES[name]))
    answer = ask(upstream, shape, num_retries=0)
    assert answer.status in (500, 503, 529)
    assert "error" in answer.json


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", [*FAILURES, "line"])
def test_a_stream_that_failed_before_its_first_word_is_tried_again_js_genai_1973(
    upstream: Upstream, shape: str, name: str
) -> None:
    role = chunk({"role": "assistant", "content": ""})
    plays = Reply.sse(LINE) if name == "line" else failing(FAILURES[name])
    # The role and the failure in one read: no byte has left.
    together = b"".join(bytes(step) for step in plays.steps if isinstance(step, bytes))
    begun = Reply.sse(b"data: " + json.dumps(role).encode() + b"\n\n" + together)
    upstream.plays(plays, begun)
    answer = ask(upstream, shape, stream=True)
    assert (answer.status, len(upstream.requests)) == (200, 3)
    assert "error" not in answer.text.replace('"error":null', "")
    assert "Hel" in answer.text


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", [*FAILURES, "line"])
def test_a_stream_that_failed_after_content_ends_with_an_error(
    upstream: Upstream, shape: str, name: str
) -> None:
    plays = failing(FAILURES.get(name, {}), "Hel", "lo")
    if name == "line":
        plays = Reply.sse(*text_chunks(("Hel", "lo"))[:-1], LINE)
    upstream.plays(plays)
    answer = ask(upstream, shape, stream=True)
    assert (answer.status, len(upstream.requests)) == (200, 1)
    *_, last = (frame for frame in answer.text.split("\n\n") if frame)
    data = json.loads(last.partition("data: ")[2])
    told = data["response"]["error"] if shape == "responses" else data["error"]
    assert told["message"]
    if shape == "responses":
        assert data["type"] == "response.failed"
    for clean in ("end_turn", "response.completed", "[DONE]", '"finish_reason":"stop"'):
        assert clean not in answer.text


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("shape", ["responses", "messages"])
def test_an_unknown_end_is_told_and_is_not_clean(
    upstream: Upstream,
    shape: str,
    is_stream: bool,  # noqa: FBT001 - a parametrised case
) -> None:
    body = completion_body({"content": "Hi"})
    body["choices"][0]["finish_reason"] = "out_of_luck"
    stream = Reply.sse(*text_chunks(("Hi",), "out_of_luck"))
    upstream.plays(stream if is_stream else Reply.json(body))
    answer = ask(upstream, shape, stream=is_stream)
    assert "out_of_luck" in answer.text
    for clean in ("end_turn", '"status":"completed","background"', "response.completed"):
        assert clean not in answer.text
    if shape == "responses" and not is_stream:
        assert answer.json["status"] == "incomplete"
        assert answer.json["incomplete_details"] == {"reason": "out_of_luck"}


@BOTH
@pytest.mark.parametrize("name", FAILURES)
def test_both_clients_try_again_before_the_first_word_and_raise_after_it(
    face: Face, name: str, upstream: Upstream
) -> None:
    upstream.plays(failing_whole(FAILURES[name]))
    assert face.ask(settings_for(upstream)).choices[0].message.content == TEXT
    upstream.plays(failing(FAILURES[name]))
    assert face.stream(settings_for(upstream)).text == TEXT
    upstream.plays(failing(FAILURES[name], "Hel", "lo"))
    streamed = face.stream(settings_for(upstream))
    assert (streamed.text, streamed.finish_reasons) == ("Hello", [])
    kind = ServiceUnavailableError if name == "choice" else InternalServerError
    assert isinstance(streamed.error, kind)


@pytest.mark.parametrize("name", [*FAILURES, "line", "unknown"])
@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("is_whole", [True, False])
def test_both_lanes_agree_on_what_failed(
    name: str,
    is_stream: bool,  # noqa: FBT001 - a parametrised case
    is_whole: bool,  # noqa: FBT001 - the same
) -> None:
    failure = FAILURES.get(name, {"finish_reason": "out_of_luck"})
    spent = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    head = {"id": "c", "created": 5, "model": "up/model"}
    said = [{"role": "assistant", "content": "Hel"}, {"content": "lo"}]
    if is_stream:
        choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in said]
        choices.append({"index": 0, "delta": {}, **failure})
        bodies = [{**head, "object": "chat.completion.chunk", "choices": [one]} for one in choices]
        pieces = [b"data: " + json.dumps(one).encode() + b"\n\n" for one in bodies]
        if name == "line":
            pieces[-1] = LINE
        kind = "text/event-stream"
        pieces.append(b"data: [DONE]\n\n")
    else:
        message = {"role": "assistant", "content": "Hello"}
        choice = {"index": 0, "message": message, **failure}
        whole = {**head, "object": "chat.completion", "choices": [choice], "usage": spent}
        pieces, kind = [json.dumps(whole).encode() if name != "line" else LINE], "application/json"
    recorded = Recorded(200, {"content-type": kind}, tuple(pieces))
    if is_whole:
        recorded = Recorded(200, {"content-type": kind}, (b"".join(pieces),))

    def play(_: HTTPRequest) -> Recorded:
        return recorded

    hi = {"model": "public", "messages": [{"role": "user", "content": "hi"}], "stream": is_stream}
    _, _, answer = asyncio.run(ask_both(play, request_bytes(hi, AUTH)))
    is_error = name != "unknown"
    assert ('"error":{' in answer.text) is is_error
    assert ("out_of_luck" in answer.text) is not is_error
