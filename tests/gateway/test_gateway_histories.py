"""Histories of every shape through the gateway: what agents send, and what the host gets."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from tests.support import anthropic_host as of_anthropic
from tests.support.asgi import MODEL, House
from tests.support.gateway_messages import ASK, WEATHER, ask, events_in
from tests.support.upstream import Reply, Upstream, completion_body

PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
URL = "data:image/png;base64,iVBORw0KGgo="
BILLING = "x-anthropic-billing-header: cc_version=2.1.278; cc_entrypoint=cli; cch=5f1ab;"
BLIND = "sambanova/Meta-Llama-3.3-70B-Instruct"
BLIND_CONFIG = f"""
model_list:
  - model_name: blind
    litellm_params: {{model: {BLIND}, api_key: k, api_base: UPSTREAM}}
"""


def dropped(answer: Any) -> list[str]:
    return [unquote(one) for one in answer.headers.get("x-puna-dropped-params", "").split(",")]


def test_the_billing_line_of_claude_code_reaches_no_host_of_another_maker(
    upstream: Upstream,
) -> None:
    """vllm#36829: it is another one in every request, and empties caches of prefixes."""
    sent: list[Any] = []
    for nonce in ("5f1ab", "0aaa9"):
        system = [
            {"type": "text", "text": BILLING.replace("5f1ab", nonce)},
            {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "x"}},
        ]
        answer = ask(upstream, {**ASK, "system": system})
        assert "system.x-anthropic-billing-header" in dropped(answer)
        sent.append(upstream.requests[-1].json["messages"])
    assert sent[0] == sent[1]
    assert sent[0][0] == {"role": "system", "content": "You are Claude Code."}


def test_the_billing_line_reaches_its_own_maker(upstream: Upstream) -> None:
    upstream.plays(Reply.json(of_anthropic.MESSAGE))
    system = [{"type": "text", "text": BILLING}, {"type": "text", "text": "Go."}]
    body = {**of_anthropic.ASK, "system": system}
    House(upstream, config=of_anthropic.CONFIG).ask("/v1/messages", body, of_anthropic.SESSION)
    assert upstream.requests[0].json["system"] == system


@pytest.mark.parametrize("given", ["default", [{"model": "claude-haiku-4-5", "max_tokens": 5}]])
def test_fallbacks_of_anthropics_beta_are_not_the_gateways(upstream: Upstream, given: Any) -> None:
    answer = ask(upstream, {**ASK, "fallbacks": given})
    assert (answer.status, dropped(answer)) == (200, ["fallbacks"])
    upstream.plays(Reply.json(of_anthropic.MESSAGE))
    body = {**of_anthropic.ASK, "fallbacks": given}
    House(upstream, config=of_anthropic.CONFIG).ask("/v1/messages", body, of_anthropic.SESSION)
    assert upstream.requests[-1].json["fallbacks"] == given


BETA: dict[str, Any] = {
    "cache_control": {"type": "ephemeral", "ttl": "5m"},
    "container": {"id": "id", "skills": [{"skill_id": "pdf", "type": "anthropic"}]},
    "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
    "diagnostics": {"previous_message_id": "previous_message_id"},
    "fallback_credit_token": "x",
    "fallbacks": "default",
    "inference_geo": "inference_geo",
    "mcp_servers": [{"name": "name", "type": "url", "url": "url", "authorization_token": "t"}],
    "service_tier": "auto",
    "speed": "standard",
    "thinking": {"type": "adaptive", "display": "summarized"},
    "user_profile_id": "anthropic-user-profile-id",
}
"""Fields of the request with all parameters in the tests of Anthropic's own SDK."""


def test_fields_of_anthropics_beta_reach_anthropic_and_are_told_for_others(
    upstream: Upstream,
) -> None:
    answer = ask(upstream, {**ASK, **BETA})
    assert (answer.status, dropped(answer)) == (200, list(BETA))
    assert not upstream.requests[-1].json.keys() & BETA.keys()
    upstream.plays(Reply.json(of_anthropic.MESSAGE))
    body = {**of_anthropic.ASK, **BETA}
    House(upstream, config=of_anthropic.CONFIG).ask("/v1/messages", body, of_anthropic.SESSION)
    sent = upstream.requests[-1].json
    assert {name: sent[name] for name in BETA} == BETA


SAFEGUARDS = {"dangerous_tool_use": {"mode": "classify"}}
VERDICT = {"safeguard_results": {"toolu_1": {"verdict": "safe"}}}


@pytest.mark.parametrize("is_stream", [False, True])
def test_safeguards_reach_anthropic_and_their_verdicts_come_back(
    upstream: Upstream, *, is_stream: bool
) -> None:
    events = of_anthropic.events()
    events[-2] |= VERDICT
    reply = (
        of_anthropic.streamed(*events)
        if is_stream
        else Reply.json({**of_anthropic.MESSAGE, **VERDICT})
    )
    upstream.plays(reply)
    body = {**of_anthropic.ASK, "safeguards": SAFEGUARDS, "stream": is_stream}
    house = House(upstream, config=of_anthropic.CONFIG)
    answer = house.ask("/v1/messages", body, of_anthropic.SESSION)
    assert upstream.requests[0].json["safeguards"] == SAFEGUARDS
    last = events_in(answer)[-2] if is_stream else answer.json
    assert last["safeguard_results"] == VERDICT["safeguard_results"]


def test_safeguards_are_left_out_and_told_elsewhere(upstream: Upstream) -> None:
    answer = ask(upstream, {**ASK, "safeguards": SAFEGUARDS})
    assert dropped(answer) == ["safeguards"]
    assert "safeguards" not in upstream.requests[0].json


def searched(*names: str) -> list[dict[str, Any]]:
    references = [{"type": "tool_reference", "tool_name": name} for name in names]
    call = {"type": "tool_use", "id": "t1", "name": "ToolSearch", "input": {}}
    return [
        *ASK["messages"],
        {"role": "assistant", "content": [call]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t1", "content": references}],
        },
    ]


def test_a_deferred_tool_is_offered_once_something_has_named_it(upstream: Upstream) -> None:
    deferred = [{**WEATHER, "name": name, "defer_loading": True} for name in ("a", "b")]
    body = {**ASK, "tools": [WEATHER, *deferred], "messages": searched("b")}
    answer = ask(upstream, body)
    assert answer.status == 200
    sent = upstream.requests[0].json
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["get_weather", "b"]
    assert sent["messages"][-1] == {
        "role": "tool",
        "tool_call_id": "t1",
        "content": "[the tool `b` is available now]",
    }
    ask(upstream, {**ASK, "tools": deferred})
    assert "tools" not in upstream.requests[-1].json


def test_references_reach_anthropic_as_they_came(upstream: Upstream) -> None:
    upstream.plays(Reply.json(of_anthropic.MESSAGE))
    messages = searched("b")
    body = {**of_anthropic.ASK, "messages": messages}
    House(upstream, config=of_anthropic.CONFIG).ask("/v1/messages", body, of_anthropic.SESSION)
    assert upstream.requests[0].json["messages"][-1] == messages[-1]


def test_message_ids_are_punas_own_where_a_host_repeats_its_ids(upstream: Upstream) -> None:
    house, ids = House(upstream), set[str]()
    for _ in range(2):
        upstream.plays(Reply.json(completion_body({"content": "Hi"})))
        ids.add(house.ask("/v1/messages", ASK, {}).json["id"])
        upstream.plays(Reply.text_stream("Hi"))
        events = events_in(house.ask("/v1/messages", {**ASK, "stream": True}, {}))
        ids.add(events[0]["message"]["id"])
    assert len(ids) == 4
    assert all(one.startswith("msg_") for one in ids)


def test_an_image_of_a_tool_is_replaced_in_every_shape(upstream: Upstream) -> None:
    house = House(upstream, config=BLIND_CONFIG)
    call = {"type": "tool_use", "id": "t1", "name": "view", "input": {}}
    result = {
        "type": "tool_result",
        "tool_use_id": "t1",
        "content": [{"type": "image", "source": PNG}],
    }
    in_messages = {
        "model": "blind",
        "max_tokens": 5,
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ],
    }
    in_responses = {
        "model": "blind",
        "input": [
            {"type": "function_call", "call_id": "c1", "name": "view", "arguments": "{}"},
            {
                "type": "function_call_output",
                "call_id": "c1",
                "output": [{"type": "input_image", "image_url": URL}],
            },
        ],
    }
    for path, body in (("/v1/messages", in_messages), ("/v1/responses", in_responses)):
        answer = house.ask(path, body, {})
        assert answer.status == 200, answer.text
        assert "messages[].content[].image_url" in dropped(answer)
        assert b"reads text only" in upstream.requests[-1].body


def test_an_image_that_the_user_shows_is_refused_by_its_path_in_the_clients_request(
    upstream: Upstream,
) -> None:
    house = House(upstream, config=BLIND_CONFIG)
    image = {"type": "image", "source": PNG}
    shown = [{"type": "text", "text": "see"}, image]
    in_messages = {
        "model": "blind",
        "max_tokens": 5,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": shown}],
    }
    answer = house.ask("/v1/messages", in_messages, {})
    assert answer.status == 400
    assert "messages[0].content[1]" in answer.text
    content = [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "image_url": URL},
    ]
    in_responses = {
        "model": "blind",
        "instructions": "Be brief.",
        "input": [{"type": "message", "role": "user", "content": content}],
    }
    answer = house.ask("/v1/responses", in_responses, {})
    assert (answer.status, answer.error["param"]) == (400, "input[0].content[1]")


def test_thoughts_of_responses_go_back_to_a_host_that_wants_them(upstream: Upstream) -> None:
    config = BLIND_CONFIG.replace(BLIND, "hosted_vllm/m")
    house = House(upstream, config=config)
    items = [
        {"type": "message", "role": "user", "content": "2+2?"},
        {
            "type": "reasoning",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "two pairs"}],
        },
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": ""},
        {"type": "message", "role": "user", "content": "Hurry."},
        {"type": "function_call_output", "call_id": "c1", "output": "4"},
    ]
    tools = [{"type": "function", "name": "f"}]
    answer = house.ask("/v1/responses", {"model": "blind", "input": items, "tools": tools}, {})
    assert answer.status == 200, answer.text
    sent = upstream.requests[0].json["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant", "tool", "user"]
    assert sent[1]["reasoning_content"] == "two pairs"
    assert sent[1]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_think_tags_become_a_block_and_an_item(upstream: Upstream) -> None:
    thinking = Reply.json(completion_body({"content": "<think>two pairs</think>4"}))
    upstream.plays(thinking)
    content = ask(upstream).json["content"]
    assert [block["type"] for block in content] == ["thinking", "text"]
    assert content[0]["thinking"] == "two pairs"
    upstream.plays(thinking)
    answer = House(upstream).ask("/v1/responses", {"model": MODEL, "input": "2+2?"}, {})
    assert [item["type"] for item in answer.json["output"]] == ["reasoning", "message"]
    upstream.plays(thinking)
    off = ask(upstream, {**ASK, "read_think_tags": False}).json["content"]
    assert [block["type"] for block in off] == ["text"]


def test_a_call_without_arguments_has_an_empty_object_in_every_shape(upstream: Upstream) -> None:
    """llm#1521."""
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
    calling = Reply.json(completion_body({"content": None, "tool_calls": [call]}))
    upstream.plays(calling)
    house = House(upstream)
    function = {"type": "function", "function": {"name": "get_weather"}}
    chat = {"model": MODEL, "messages": ASK["messages"], "tools": [function]}
    made = house.ask("/v1/chat/completions", chat, {}).json["choices"][0]["message"]
    assert made["tool_calls"][0]["function"]["arguments"] == "{}"
    upstream.plays(calling)
    flat = {"type": "function", "name": "get_weather"}
    body = {"model": MODEL, "input": "hi", "tools": [flat]}
    (item,) = house.ask("/v1/responses", body, {}).json["output"]
    assert item["arguments"] == "{}"


def test_deferred_tools_that_nothing_has_named_are_not_counted(upstream: Upstream) -> None:
    house, path = House(upstream), "/v1/messages/count_tokens"
    bare = house.ask(path, ASK, {}).json["input_tokens"]
    deferred = {**WEATHER, "defer_loading": True}
    assert house.ask(path, {**ASK, "tools": [deferred]}, {}).json["input_tokens"] == bare
    assert house.ask(path, {**ASK, "tools": [WEATHER]}, {}).json["input_tokens"] > bare
