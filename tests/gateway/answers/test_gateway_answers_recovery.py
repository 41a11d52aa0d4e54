"""The end of a stream that failed is one that clients recover from, in every shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import recovery as client
from tests.support.asgi import CHAT, MODEL, Answer, House
from tests.support.upstream import Reply, Upstream, chunk, event

from puna import errors
from puna.errors import APIError, ContextWindowExceededError, RateLimitError
from puna.gateway.answers.recovery import is_worth_retrying
from puna.gateway.answers.replies import error_body, error_event, last_error_body
from puna.gateway.endpoints.messages_replies import messages_error_event

SAID = {"role": "assistant", "content": "Hello, wor"}
CUT = Reply.sse(chunk(SAID), is_done=False, end="reset")
CLOSED = Reply.sse(chunk(SAID), is_done=False, end="close")
TOO_LONG = "This model's maximum context length is 8192 tokens, you asked for 9000."


def _broken_by(**error: Any) -> Reply:
    return Reply.sse(chunk(SAID), event({"error": error}), is_done=False)


RETRIED = {
    "reset": CUT,
    "closed": CLOSED,
    "no JSON": Reply.sse(chunk(SAID), b"data: {oops\n\n", is_done=False),
    "overloaded": _broken_by(message="Overloaded.", code=529),
    "failed": _broken_by(message="CUDA ran out of memory", code=500),
    "down": _broken_by(message="no worker", code=503),
    "limited": _broken_by(message="Slow down.", code=429),
}
COMPACTED = {"too long": _broken_by(message=TOO_LONG, code=400)}
FINAL = {
    "refused content": _broken_by(message="Flagged by the safety system.", code=400),
    "wrong key": _broken_by(message="No such key.", code=401),
}
ASK = [{"role": "user", "content": "hi"}]
SHAPES: dict[str, tuple[str, Mapping[str, Any]]] = {
    "chat": ("/v1/chat/completions", {**CHAT, "stream": True}),
    "completions": ("/v1/completions", {"model": MODEL, "prompt": "hi", "stream": True}),
    "messages": ("/v1/messages", {"model": MODEL, "max_tokens": 9, "messages": ASK}),
    "responses": ("/v1/responses", {"model": MODEL, "input": "hi"}),
}
ALL_SHAPES = pytest.mark.parametrize("shape", SHAPES)


def _last_of(shape: str, upstream: Upstream, reply: Reply) -> dict[str, Any]:
    upstream.plays(reply)
    path, body = SHAPES[shape]
    answer = House(upstream).ask(path, {**body, "stream": True, "num_retries": 0})
    assert answer.status == 200
    assert b"[DONE]" not in answer.body
    return _last_event(answer)


def _last_event(answer: Answer) -> dict[str, Any]:
    frame = answer.text.rstrip("\n").split("\n\n")[-1]
    last: dict[str, Any] = json.loads(frame.partition("data: ")[2])
    return last


def _recoveries(shape: str, last: dict[str, Any]) -> tuple[bool, bool]:
    """Whether the clients of a shape try again, and whether they compact; they must agree."""
    if shape == "messages":
        return client.claude_code_retries(last), client.claude_code_compacts(last)
    if shape == "responses":
        error = last["response"]["error"]
        return client.codex_retries(error), error["code"] == "context_length_exceeded"
    message = last["error"]["message"]
    retries = client.opencode_retries(message)
    assert client.pi_retries(message) == retries
    return retries, client.opencode_compacts(message)


@ALL_SHAPES
@pytest.mark.parametrize("cause", RETRIED)
def test_a_stream_that_broke_is_one_that_clients_send_again(
    shape: str, cause: str, upstream: Upstream
) -> None:
    assert _recoveries(shape, _last_of(shape, upstream, RETRIED[cause])) == (True, False)


@ALL_SHAPES
@pytest.mark.parametrize("cause", COMPACTED)
def test_a_stream_that_broke_on_its_length_is_one_that_clients_shorten(
    shape: str, cause: str, upstream: Upstream
) -> None:
    assert _recoveries(shape, _last_of(shape, upstream, COMPACTED[cause])) == (False, True)


@pytest.mark.parametrize("shape", ["chat", "completions", "messages"])
@pytest.mark.parametrize("cause", FINAL)
def test_a_stream_that_would_break_again_is_not_sent_again(
    shape: str, cause: str, upstream: Upstream
) -> None:
    """Codex has no word for it: whatever it does not know, it sends again."""
    assert _recoveries(shape, _last_of(shape, upstream, FINAL[cause])) == (False, False)


@ALL_SHAPES
@pytest.mark.parametrize("is_stream", [False, True])
def test_a_prompt_that_is_too_long_for_a_host_has_words_that_clients_know(
    shape: str, upstream: Upstream, *, is_stream: bool
) -> None:
    upstream.plays(Reply.error(400, "input is too large to process, increase the batch size"))
    path, body = SHAPES[shape]
    answer = House(upstream).ask(path, {**body, "stream": is_stream, "num_retries": 0})
    assert answer.status == 400
    error = answer.json["error"]
    assert client.opencode_compacts(error["message"])
    if shape == "messages":
        assert client.claude_code_compacts(answer.json)
    else:
        assert error["code"] == "context_length_exceeded"


CODEX = {"originator": "codex_exec"}


@pytest.mark.parametrize(
    ("reply", "code", "wait_s"),
    [
        (Reply.error(400, TOO_LONG), "context_length_exceeded", None),
        (Reply.error(429, "Slow down.", retry_after="7"), "rate_limit_exceeded", 7.0),
        (Reply.error(429, "Slow down."), "rate_limit_exceeded", None),
    ],
)
def test_codex_gets_inside_a_stream_what_it_reads_only_there(
    reply: Reply, code: str, wait_s: float | None, upstream: Upstream
) -> None:
    """As a status, a prompt that is too long or a limit ends Codex's turn (0.171.0)."""
    body = {"model": MODEL, "input": "hi", "num_retries": 0}
    upstream.plays(reply, reply, reply)
    house = House(upstream)
    answer = house.ask("/v1/responses", {**body, "stream": True}, CODEX)
    last = _last_event(answer)
    assert (answer.status, last["type"]) == (200, "response.failed")
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"]["code"] == code
    assert client.codex_waits_s(last["response"]["error"]) == wait_s
    status = 400 if code == "context_length_exceeded" else 429
    assert house.ask("/v1/responses", {**body, "stream": False}, CODEX).status == status
    assert house.ask("/v1/responses", {**body, "stream": True}).status == status


def test_codex_gets_other_errors_as_a_status(upstream: Upstream) -> None:
    upstream.plays(Reply.error(401, "No such key."))
    body = {"model": MODEL, "input": "hi", "stream": True, "num_retries": 0}
    assert House(upstream).ask("/v1/responses", body, CODEX).status == 401


ERRORS: list[type[APIError]] = sorted(
    {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, APIError)},
    key=lambda one: one.__name__,
)


@given(
    kind=st.sampled_from(ERRORS),
    message=st.text(alphabet=st.characters(exclude_categories=["Cs", "Nd"]), max_size=200),
    wait_s=st.one_of(st.none(), st.floats(0, 600)),
)
def test_whatever_a_host_says_the_kind_of_its_failure_can_be_read(
    kind: type[APIError], message: str, wait_s: float | None
) -> None:
    error = kind(message, provider="groq", body="{}", retry_after_s=wait_s)
    is_limit = isinstance(error, RateLimitError)
    told = last_error_body(error)["error"]
    last: dict[str, Any] = json.loads(error_event(error)[len(b"data: ") :])
    assert last["error"] == told
    anthropic = json.loads(messages_error_event(error, "id").partition(b"data: ")[2])
    assert message in told["message"]
    if is_worth_retrying(error):
        assert client.opencode_retries(told["message"])
        assert client.pi_retries(told["message"])
        assert client.claude_code_retries(anthropic)
        assert client.codex_retries(told)
        if is_limit and wait_s is not None:
            assert client.codex_waits_s(told) == max(1, round(wait_s))
    if isinstance(error, ContextWindowExceededError):
        assert client.opencode_compacts(error_body(error)["error"]["message"])
        assert client.claude_code_compacts(anthropic)
        assert not client.codex_retries(told)
