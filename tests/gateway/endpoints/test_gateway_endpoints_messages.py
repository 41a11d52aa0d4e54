"""Anthropic's Messages API through the gateway: what goes up, what comes back, in which shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.asgi import CHAT, CONFIG, MODEL, UPSTREAM_KEY, Answer, House
from tests.support.breaking import Breaking
from tests.support.upstream import (
    ARGUMENTS,
    ENVELOPE,
    TEXT,
    USAGE,
    Reply,
    Upstream,
    completion_body,
    text_chunks,
    usage_chunk,
)

from puna.telemetry.events import CallEvent

KEY = "sk-master-canary-7730"
ASK: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "hi"}],
}
ONCE = {**ASK, "num_retries": 0}
WEATHER = {"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}
VERSION = {"anthropic-version": "2023-06-01"}


def ask(upstream: Upstream, body: Any = ASK, path: str = "/v1/messages", **how: Any) -> Answer:
    return House(upstream, **how).ask(path, body, VERSION)


def events_in(answer: Answer) -> list[dict[str, Any]]:
    """The events of a stream; each frame's name is its event's type."""
    assert answer.headers["content-type"] == "text/event-stream"
    frames = answer.text.split("\n\n")
    assert frames[-1] == "", "a stream ends with a blank line"
    events: list[dict[str, Any]] = []
    for frame in frames[:-1]:
        name, data = frame.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


def error_in(body: Any, answer: Answer) -> dict[str, Any]:
    """The error inside a body of Anthropic's shape."""
    assert set(body) == {"type", "error", "request_id"}
    assert body["type"] == "error"
    assert set(body["error"]) == {"type", "message"}
    assert body["request_id"] == answer.headers["request-id"]
    found: dict[str, Any] = body["error"]
    return found


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


# Claude Code


SESSION = {
    **VERSION,
    "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14",
    "authorization": f"Bearer {KEY}",
    "user-agent": "claude-cli/2.1.0 (external, cli)",
    "x-app": "cli",
    "x-claude-code-session-id": "5f0e",
}
EPHEMERAL = {"cache_control": {"type": "ephemeral"}}


def code_request(*turns: dict[str, Any]) -> dict[str, Any]:
    """A request in the shape that Claude Code's documentation and its users' captures show."""
    return {
        "model": MODEL,
        "max_tokens": 32_000,
        "system": [
            {"type": "text", "text": "You are a coding assistant."},
            {"type": "text", "text": "The folder is /project.", **EPHEMERAL},
        ],
        "tools": [
            {
                "name": name,
                "description": f"Use {name}.",
                "input_schema": {
                    "$schema": "https://json-schema.org/draft/2020-12/schema",
                    "type": "object",
                    "properties": {"file_path": {"type": "string"}},
                    "required": ["file_path"],
                    "additionalProperties": False,
                },
            }
            for name in ("Read", "Write")
        ],
        "messages": list(turns),
        "metadata": {"user_id": "user_0f_account__session_5f0e"},
        "thinking": {"type": "adaptive"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "medium"},
        "stream": True,
    }


@pytest.mark.case(125)
def test_a_session_of_claude_code(upstream: Upstream) -> None:
    house = House(upstream, master_key=KEY)
    asked = {
        "role": "user",
        "content": [
            {"type": "text", "text": "<system-reminder>Be careful.</system-reminder>"},
            {"type": "text", "text": "What is in a.txt and b.txt?", **EPHEMERAL},
        ],
    }
    calls = [
        {"index": i, "id": f"call_{i}", "function": {"name": "Read", "arguments": arguments}}
        for i, arguments in enumerate(('{"file_path":"a.txt"}', '{"file_path":"b.txt"}'))
    ]
    both = {**ENVELOPE, "choices": [{"index": 0, "delta": {"tool_calls": calls}}]}
    last = {**ENVELOPE, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    upstream.plays(Reply.sse(*text_chunks()[:-1], both, last))

    first = house.ask("/v1/messages?beta=true", code_request(asked), SESSION)

    events = events_in(first)
    blocks = [e["content_block"] for e in events if e["type"] == "content_block_start"]
    assert [block["type"] for block in blocks] == ["text", "tool_use", "tool_use"]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"
    assert first.headers["x-puna-dropped-params"] == (
        "cache_control,output_config.effort,thinking,context_management"
    )
    sent = upstream.requests[0].json
    assert set(sent) == {"model", "messages", "max_tokens", "tools", "user", "stream"}
    assert "cache_control" not in json.dumps(sent)

    told = {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Read both.", "signature": ""},
            {"type": "text", "text": TEXT},
            *(
                {**block, "input": {"file_path": name}}
                for block, name in zip(blocks[1:], ("a.txt", "b.txt"), strict=True)
            ),
        ],
    }
    results = {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "call_0", "content": "1\tone"},
            {
                "type": "tool_result",
                "tool_use_id": "call_1",
                "content": "<error>no such file</error>",
                "is_error": True,
                **EPHEMERAL,
            },
            {"type": "text", "text": "<system-reminder>Go on.</system-reminder>"},
        ],
    }
    upstream.plays(Reply.text_stream("One file ", "is missing."))

    second = house.ask("/v1/messages?beta=true", code_request(asked, told, results), SESSION)

    said = [e["delta"]["text"] for e in events_in(second) if e["type"] == "content_block_delta"]
    assert "".join(said) == "One file is missing."
    roles = [message["role"] for message in upstream.requests[1].json["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "tool", "user"]
    answered = upstream.requests[1].json["messages"][3:5]
    assert [message["tool_call_id"] for message in answered] == ["call_0", "call_1"]
    assert answered[1]["content"].startswith("Error: ")

    counted = house.ask("/v1/messages/count_tokens?beta=true", code_request(asked), SESSION)
    assert counted.json["input_tokens"] > 50


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
