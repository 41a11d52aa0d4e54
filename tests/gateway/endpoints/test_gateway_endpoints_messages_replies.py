"""Errors in the shape of Anthropic's Messages API, as answers and as the ends of streams."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.asgi import CHAT, House
from tests.support.breaking import Breaking
from tests.support.gateway_messages import ASK, KEY, VERSION, ask, error_in, events_in
from tests.support.upstream import Reply, Upstream, text_chunks

ONCE = {**ASK, "num_retries": 0}


# Errors


@pytest.mark.case(125)
@pytest.mark.parametrize(
    ("status", "told", "kind"),
    [
        (400, 400, "invalid_request_error"),
        (401, 401, "authentication_error"),
        (402, 402, "billing_error"),
        (403, 403, "permission_error"),
        (404, 404, "not_found_error"),
        (413, 413, "request_too_large"),
        (422, 422, "invalid_request_error"),
        (429, 429, "rate_limit_error"),
        (500, 500, "api_error"),
        (502, 502, "api_error"),
        (503, 529, "overloaded_error"),
        (504, 504, "timeout_error"),
        (529, 529, "overloaded_error"),
    ],
)
def test_an_upstreams_error_has_anthropics_shape(
    upstream: Upstream, status: int, told: int, kind: str
) -> None:
    upstream.plays(Reply.error(status, "the detail"))
    answer = ask(upstream, ONCE)
    assert answer.status == told
    error = error_in(answer.json, answer)
    assert error["type"] == kind
    assert "the detail" in error["message"]
    assert answer.headers["x-puna-error-source"] == "upstream"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({**ASK, "max_tokens": None}, "`max_tokens` is missing"),
        ({**ASK, "max_tokens": 0}, "`max_tokens` must be"),
        ({**ASK, "messages": []}, "`messages` must be a non-empty list"),
        ({**ASK, "stream": "yes"}, "`stream` must be"),
        ({**ASK, "temperature": "hot"}, "`temperature` must be"),
        ({**ASK, "api_base": "http://x"}, "`api_base` cannot be set"),
        ({**ASK, "drop_params": 1}, "`drop_params` must be"),
        ({**ASK, "tools": [{"type": "web_search_20250305"}]}, "`tools[0].type`"),
        (
            {**ASK, "tools": [{"type": "function", "function": {"name": "f"}}]},
            'in the Messages API a tool is `{"name": …, "description": …, "input_schema": …}`',
        ),
        (b"{", "not valid JSON"),
    ],
)
def test_a_wrong_request_is_named_in_anthropics_shape(
    upstream: Upstream, body: Any, said: str
) -> None:
    answer = ask(upstream, body)
    assert answer.status == 400
    error = error_in(answer.json, answer)
    assert error["type"] == "invalid_request_error"
    assert said in error["message"]
    assert upstream.requests == []


def test_a_prompt_that_is_too_long_is_said_in_the_words_that_clients_look_for(
    upstream: Upstream,
) -> None:
    upstream.plays(Reply.error(400, "This model's maximum context length is 128000 tokens."))
    answer = ask(upstream, ONCE)
    assert error_in(answer.json, answer)["message"].startswith("prompt is too long: ")


@pytest.mark.parametrize("path", ["/v1/messages", "/messages/count_tokens", "/v1/models"])
def test_a_wrong_key_is_told_in_anthropics_shape(upstream: Upstream, path: str) -> None:
    house = House(upstream, master_key=KEY)
    method = "GET" if path.endswith("models") else "POST"
    answer = house.ask(path, ASK, {**VERSION, "x-api-key": "wrong"}, method=method)
    assert answer.status == 401
    assert error_in(answer.json, answer)["type"] == "authentication_error"
    right = house.ask(path, ASK, {**VERSION, "x-api-key": KEY}, method=method)
    bearer = house.ask(path, ASK, {**VERSION, "authorization": f"Bearer {KEY}"}, method=method)
    assert (right.status, bearer.status) == (200, 200)


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/v1/messages", 405, "invalid_request_error"),
        ("POST", "/v1/messages/batches", 404, "not_found_error"),
        ("POST", "/anthropic/v1/none", 404, "not_found_error"),
        ("GET", "/v1/models/none", 404, "not_found_error"),
    ],
)
def test_a_wrong_path_is_told_in_anthropics_shape(
    upstream: Upstream, method: str, path: str, status: int, kind: str
) -> None:
    house = House(upstream, master_key=KEY)
    answer = house.ask(path, ASK, {**VERSION, "x-api-key": KEY}, method=method)
    assert answer.status == status
    assert error_in(answer.json, answer)["type"] == kind


def test_other_paths_keep_the_shape_of_openai(upstream: Upstream) -> None:
    upstream.plays(Reply.error(404, "gone"))
    answer = House(upstream).ask(body={**CHAT, "num_retries": 0}, headers=VERSION)
    assert answer.error["type"] == "invalid_request_error"
    assert "request-id" not in answer.headers


@pytest.mark.case(125)
def test_a_stream_that_breaks_ends_with_an_error_event(upstream: Upstream) -> None:
    upstream.plays(Reply.sse(*text_chunks()[:3], is_done=False, end="close"))
    answer = ask(upstream, {**ASK, "stream": True})
    events = events_in(answer)
    assert answer.status == 200
    assert error_in(events[-1], answer)["type"] == "overloaded_error"  # Claude Code tries again
    assert "message_stop" not in [event["type"] for event in events]


def test_what_nobody_foresaw_in_mid_stream_is_an_error_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = House(transport=Breaking()).ask("/v1/messages", {**ASK, "stream": True})
    error = error_in(events_in(answer)[-1], answer)
    assert error["type"] == "overloaded_error"
    assert "a bug" not in answer.text
    assert "a bug in mid-stream" in caplog.text


def test_a_stream_that_fails_before_its_first_event_has_a_status(upstream: Upstream) -> None:
    upstream.plays(Reply.error(429, "slow down", retry_after="7"))
    answer = ask(upstream, {**ONCE, "stream": True})
    assert answer.status == 429
    assert answer.headers["retry-after"] == "7"
    assert error_in(answer.json, answer)["type"] == "rate_limit_error"
