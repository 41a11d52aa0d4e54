"""Anthropic's Messages API through the gateway: what goes up, what comes back, in which shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.asgi import CONFIG, MODEL, UPSTREAM_KEY, House
from tests.support.gateway_messages import ASK, VERSION, WEATHER, ask, error_in, events_in
from tests.support.upstream import (
    ARGUMENTS,
    TEXT,
    USAGE,
    Reply,
    Upstream,
    completion_body,
    text_chunks,
    usage_chunk,
)

from puna.telemetry.events import CallEvent


@pytest.mark.case(125)
@pytest.mark.parametrize("prefix", ["", "/v1", "/anthropic/v1"])
def test_a_message_is_answered(upstream: Upstream, prefix: str) -> None:
    answer = ask(upstream, path=f"{prefix}/messages")
    assert answer.status == 200
    assert answer.json["type"] == "message"
    assert answer.json["model"] == MODEL
    assert answer.json["content"] == [{"type": "text", "text": TEXT, "citations": None}]
    assert answer.json["usage"]["input_tokens"] == USAGE["prompt_tokens"]
    assert answer.headers["request-id"] == answer.headers["x-litellm-call-id"]
    assert answer.headers["x-litellm-model-group"] == MODEL
    sent = upstream.requests[0]
    assert sent.json == {**ASK, "model": "Llama-3.3-8B-Instruct"}
    assert sent.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert not any(name.startswith("anthropic") for name in sent.headers)


@pytest.mark.case(125)
def test_a_stream_is_named_events_in_order(upstream: Upstream) -> None:
    answer = ask(upstream, {**ASK, "stream": True})
    events = events_in(answer)
    assert [event["type"] for event in events[:3]] == [
        "message_start",
        "ping",
        "content_block_start",
    ]
    said = [e["delta"]["text"] for e in events if e["type"] == "content_block_delta"]
    assert "".join(said) == TEXT
    assert [event["type"] for event in events[-3:]] == [
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert "[DONE]" not in answer.text
    assert answer.headers["request-id"]


def test_a_streams_usage_comes_at_its_end_without_asking_a_host_for_it(
    upstream: Upstream,
) -> None:
    told = ask(upstream, {**ASK, "stream": True})
    assert "stream_options" not in upstream.requests[0].json
    assert events_in(told)[-2]["usage"]["output_tokens"] > 0
    details = {"prompt_tokens_details": {"cached_tokens": 8}}
    chunk = {**usage_chunk(), "usage": {**USAGE, **details}}
    upstream.plays(Reply.sse(*text_chunks(), chunk))
    usage = events_in(ask(upstream, {**ASK, "stream": True}))[-2]["usage"]
    assert {name: count for name, count in usage.items() if count is not None} == {
        "input_tokens": 3,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 8,
        "output_tokens": 4,
    }


@pytest.mark.case(125)
@pytest.mark.parametrize("is_stream", [False, True])
def test_a_tool_is_called(upstream: Upstream, is_stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    body = {**ASK, "tools": [WEATHER], "tool_choice": {"type": "any"}, "stream": is_stream}
    answer = ask(upstream, body)
    assert upstream.requests[0].json["tool_choice"] == "required"
    if not is_stream:
        (block,) = answer.json["content"]
        assert (block["type"], block["name"]) == ("tool_use", "get_weather")
        assert block["input"] == json.loads(ARGUMENTS)
        assert answer.json["stop_reason"] == "tool_use"
        return
    events = events_in(answer)
    pieces = [e["delta"]["partial_json"] for e in events if e["type"] == "content_block_delta"]
    assert "".join(pieces) == ARGUMENTS
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


@pytest.mark.parametrize(("asked", "sent"), [(4_028, 4_028), (32_000, 4_028)])
def test_a_limit_that_the_operator_wrote_is_kept_and_told(
    upstream: Upstream, asked: int, sent: int
) -> None:
    config = f"{CONFIG}    model_info: {{max_output_tokens: 4028}}\n"
    answer = ask(upstream, {**ASK, "max_tokens": asked}, config=config)
    assert upstream.requests[0].json["max_tokens"] == sent
    assert answer.headers.get("x-puna-dropped-params") == ("max_tokens" if asked > sent else None)


def test_top_k_goes_to_a_host_that_may_know_it(upstream: Upstream) -> None:
    ask(upstream, {**ASK, "top_k": 40})
    assert upstream.requests[0].json["top_k"] == 40


@pytest.mark.parametrize(
    "thread", [{"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}]
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
@pytest.mark.parametrize("steering", [{}, {"drop_params": True}])
def test_a_thread_is_refused_in_the_word_on_which_the_sdk_sends_all(
    upstream: Upstream, thread: Any, path: str, steering: Any
) -> None:
    answer = ask(upstream, {**ASK, **steering, "thread": thread}, path)
    assert answer.status == 400
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert answer.json["error"]["details"] == {"error_code": "thread_unsupported_request"}
    assert not upstream.requests


@pytest.mark.parametrize("is_stream", [False, True])
def test_what_is_left_out_is_told(upstream: Upstream, is_stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    body = {
        **ASK,
        "stream": is_stream,
        "thinking": {"type": "adaptive"},
        "service_tier": "auto",
        "fallbacks": [{"model": "other"}],
        "betas": [],
    }
    answer = ask(upstream, body)
    assert answer.headers["x-puna-dropped-params"] == "thinking,service_tier,fallbacks,betas"
    assert set(upstream.requests[0].json) <= {"model", "max_tokens", "messages", "stream"}


def test_fields_that_steer_the_gateway_work_here_too(upstream: Upstream) -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    body = {**ASK, "tools": [search], "drop_params": True, "timeout": 30, "fallbacks": [MODEL]}
    answer = ask(upstream, body)
    assert answer.status == 200
    assert answer.headers["x-puna-dropped-params"] == "tools[0].type"
    assert "drop_params" not in upstream.requests[0].json


def test_metadata_reaches_hooks_and_its_user_the_host(upstream: Upstream) -> None:
    seen: list[CallEvent] = []
    body = {**ASK, "metadata": {"user_id": "u-1"}}
    House(upstream, hooks=(seen.append,)).ask("/v1/messages", body)
    assert upstream.requests[0].json["user"] == "u-1"
    assert "metadata" not in upstream.requests[0].json
    assert seen[0].metadata["user_id"] == "u-1"


def test_a_client_that_leaves_ends_the_upstreams_stream(upstream: Upstream) -> None:
    upstream.plays(Reply.endless())
    House(upstream).ask("/v1/messages", {**ASK, "stream": True}, leaves_after=3)
    assert upstream.sees(lambda: upstream.open_replies == 0)


# Counting and listing


@pytest.mark.case(125)
@pytest.mark.parametrize("prefix", ["", "/v1", "/anthropic/v1"])
def test_tokens_are_counted_without_asking_a_host(upstream: Upstream, prefix: str) -> None:
    body = {name: value for name, value in ASK.items() if name != "max_tokens"}
    path = f"{prefix}/messages/count_tokens"
    short = ask(upstream, body, path).json
    longer = ask(upstream, {**body, "system": "Be brief.", "tools": [WEATHER]}, path)
    assert set(short) == {"input_tokens"}
    assert 0 < short["input_tokens"] < longer.json["input_tokens"]
    assert longer.headers["x-puna-usage"] == "estimated"
    assert upstream.requests == []


def test_tokens_of_an_unknown_model_are_not_counted(upstream: Upstream) -> None:
    answer = ask(upstream, {**ASK, "model": "none"}, "/v1/messages/count_tokens")
    assert answer.status == 404
    assert error_in(answer.json, answer)["type"] == "not_found_error"


@pytest.mark.case(125)
@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_models_are_listed_for_clients_of_anthropics_api(upstream: Upstream, prefix: str) -> None:
    house = House(upstream)
    found = house.get(f"{prefix}/models", VERSION).json
    assert set(found) == {"data", "has_more", "first_id", "last_id"}
    assert found["has_more"] is False
    assert found["first_id"] == MODEL
    assert found["data"][0] == {
        "type": "model",
        "id": MODEL,
        "display_name": MODEL,
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
        "capabilities": None,
        "max_input_tokens": 128_000,
        "max_tokens": None,
    }
    assert house.get(f"{prefix}/models/{MODEL}", VERSION).json == found["data"][0]
    assert house.get(f"{prefix}/models").json["object"] == "list"


def test_a_whole_answer_to_a_stream_request_comes_as_events(upstream: Upstream) -> None:
    upstream.plays(Reply.json(completion_body()))
    events = events_in(ask(upstream, {**ASK, "stream": True}))
    assert events[-2]["usage"]["input_tokens"] == USAGE["prompt_tokens"]


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/v1/responses"])
@pytest.mark.parametrize("model", [{"": {}}, [], 7, None, ""])
def test_a_model_that_is_no_name_is_refused(upstream: Upstream, path: str, model: Any) -> None:
    said = {"input": "hi"} if path.endswith("responses") else ASK
    answer = ask(upstream, {**said, "model": model}, path)
    assert answer.status == 400
    assert "model" in answer.json["error"]["message"]
