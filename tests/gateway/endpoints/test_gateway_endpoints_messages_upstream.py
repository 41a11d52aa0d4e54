"""A host of Anthropic's API behind the gateway: what clients sent reaches it, and comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.anthropic_host import (
    ASK,
    CLAUDE,
    CONFIG,
    CONTENT,
    EPHEMERAL,
    HI,
    HIDDEN,
    KEY,
    LATER,
    MESSAGE,
    SESSION,
    THOUGHT,
    events,
    streamed,
)
from tests.support.asgi import CHAT, MODEL, Answer, House
from tests.support.recorded_clients import house_for, recorded
from tests.support.upstream import Reply, Upstream

from puna.catalog.prices import PICOS_PER_DOLLAR
from puna.gateway.passing.routes import FastRoutes
from puna.telemetry.events import CallEvent
from puna.transports.lean import ReplySink
from puna.wire.http import HTTPRequest

FALLS_BACK = CONFIG + f"""
router_settings:
  fallbacks: [{{"{CLAUDE}": ["{MODEL}"]}}]
"""  # fmt: skip


def overloaded() -> Reply:
    error = {"type": "overloaded_error", "message": "Overloaded"}
    return Reply.json({"type": "error", "error": error, "request_id": "req_1"}, status=529)


def plain(content: Any) -> list[dict[str, Any]]:
    """Blocks without the fields that an answer has beside what it says."""
    beside = ("citations", "caller")
    return [{k: v for k, v in block.items() if k not in beside} for block in content]


def sent_blocks(answer: Answer) -> list[dict[str, Any]]:
    """The blocks that a client puts together from a stream."""
    blocks: list[dict[str, Any]] = []
    pieces: list[str] = []
    for part in answer.text.split("\n\n")[:-1]:
        event = json.loads(part.partition("data: ")[2])
        if event["type"] == "content_block_start":
            blocks.append(event["content_block"])
            pieces = []
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            if delta["type"] == "input_json_delta":
                pieces.append(delta["partial_json"])
                blocks[-1]["input"] = json.loads("".join(pieces))
            else:
                name = delta["type"].removesuffix("_delta")
                blocks[-1][name] += delta[name]
    return plain(blocks)


def in_blocks(value: Any) -> Any:
    """A body with every content as blocks, also where a string says the same."""
    if isinstance(value, list):
        return [in_blocks(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {name: in_blocks(one) for name, one in value.items()}
    for name in ("content", "system"):
        if isinstance(made.get(name), str):
            made[name] = [{"type": "text", "text": made[name]}]
    return made


def test_all_that_a_client_of_the_same_api_says_reaches_the_host(upstream: Upstream) -> None:
    upstream.plays(Reply.json(MESSAGE))
    answer = House(upstream, CONFIG).ask("/v1/messages?beta=true", ASK, SESSION)
    assert answer.status == 200
    (sent,) = upstream.requests
    assert sent.path.endswith("/v1/messages")
    assert sent.json == ASK
    assert sent.headers["x-api-key"] == KEY
    assert "authorization" not in sent.headers
    assert sent.headers["anthropic-version"] == "2023-06-01"
    assert sent.headers["anthropic-beta"] == "claude-code-20250219,context-management-2025-06-27"
    assert "x-puna-dropped-params" not in answer.headers
    assert plain(answer.json["content"]) == CONTENT
    assert answer.json["model"] == CLAUDE
    usage = answer.json["usage"]
    told = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    assert [usage[name] for name in (*told, "output_tokens")] == [10, 20, 30, 4]


@pytest.mark.parametrize("is_stream", [False, True])
def test_opaque_blocks_go_back_byte_for_byte(upstream: Upstream, is_stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    house = House(upstream, CONFIG)
    upstream.plays(streamed() if is_stream else Reply.json(MESSAGE))
    first = house.ask("/v1/messages", {**ASK, "stream": is_stream}, SESSION)
    said = sent_blocks(first) if is_stream else plain(first.json["content"])
    assert said == CONTENT

    results = [
        {"type": "tool_result", "tool_use_id": f"toolu_{i}", "content": "sunny", **EPHEMERAL}
        for i in (1, 2)
    ]
    turns = [
        *ASK["messages"],
        {"role": "assistant", "content": said},
        {"role": "user", "content": results},
    ]
    upstream.plays(Reply.json({**MESSAGE, "content": [{"type": "text", "text": "Done."}]}))
    second = house.ask("/v1/messages", {**ASK, "messages": turns}, SESSION)
    assert plain(second.json["content"]) == [{"type": "text", "text": "Done."}]
    assert upstream.requests[-1].json["messages"] == turns


@pytest.mark.parametrize("name", ["claude_code_first_turn", "claude_code_second_turn"])
def test_a_session_of_claude_code_reaches_the_host_as_it_was_sent(
    upstream: Upstream, name: str
) -> None:
    request = recorded(name)
    upstream.plays(streamed())
    answer = request.sent_to(house_for(upstream, "anthropic"))
    assert answer.status == 200
    assert sent_blocks(answer) == CONTENT
    (sent,) = upstream.requests
    assert in_blocks(sent.json) == in_blocks({**request.body, "model": "llama"})
    assert sent.headers["anthropic-beta"].replace(" ", "") == request.headers[
        "anthropic-beta"
    ].replace(" ", "")
    assert "x-puna-dropped-params" not in answer.headers


def test_tokens_written_to_a_cache_are_told_and_billed_as_such(upstream: Upstream) -> None:
    seen: list[CallEvent] = []
    house = House(upstream, CONFIG, hooks=(seen.append,))
    upstream.plays(Reply.json(MESSAGE), streamed())
    house.ask("/v1/messages", ASK, SESSION)
    answer = house.ask("/v1/messages", {**ASK, "stream": True}, SESSION)
    usage = json.loads(answer.text.split("data: ")[-2].partition("\n")[0])["usage"]
    assert (usage["input_tokens"], usage["cache_creation_input_tokens"]) == (10, 20)
    assert usage["cache_read_input_tokens"] == 30
    millionth = PICOS_PER_DOLLAR // 1_000_000
    cost = (10 * 4 + 15 * 5 + 5 * 8 + 4 * 20) * millionth + 30 * millionth // 5
    for event in seen:
        report = event.report
        assert (report.prompt_tokens, report.cached_tokens, report.cost_picos) == (60, 30, cost)
        assert report.cache_creation_tokens == 20


def test_a_host_of_chat_that_stands_in_is_told_what_it_can_read(upstream: Upstream) -> None:
    upstream.plays(overloaded())
    turns = [*ASK["messages"], {"role": "assistant", "content": CONTENT[:3]}, *ASK["messages"]]
    body = {**ASK, "messages": turns, "num_retries": 0}
    answer = House(upstream, FALLS_BACK).ask("/v1/messages", body, SESSION)
    assert answer.status == 200
    assert answer.json["content"][0]["type"] in ("text", "tool_use")
    asked, stood_in = upstream.requests
    assert asked.json["messages"] == turns
    assert stood_in.path.endswith("/chat/completions")
    assert "anthropic-beta" not in stood_in.headers
    assert stood_in.json["messages"] == [
        {"role": "system", "content": "Be careful.\n\nGo."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Looking."},
        {"role": "user", "content": "Hi"},
    ]
    assert set(stood_in.json) == {"model", "messages", "max_tokens", "tools"}
    assert answer.headers["x-puna-dropped-params"] == (
        "cache_control,tools.strict,messages.thinking,output_config.effort,thinking,"
        "context_management"
    )


@pytest.mark.parametrize("value", [True, -1, "x", [[]]])
def test_an_output_config_that_is_no_object_is_refused(upstream: Upstream, value: Any) -> None:
    house = House(upstream, CONFIG)
    refused = house.ask(body={**CHAT, "model": CLAUDE, "output_config": value})
    assert (refused.status, refused.error["param"]) == (400, "output_config")
    assert not upstream.requests


def test_an_overload_keeps_its_status(upstream: Upstream) -> None:
    upstream.plays(overloaded())
    answer = House(upstream, CONFIG).ask("/v1/messages", {**ASK, "num_retries": 0}, SESSION)
    assert answer.status == 529
    assert answer.json["error"]["type"] == "overloaded_error"
    assert KEY not in answer.text


def test_a_stream_that_the_host_breaks_off_ends_with_its_error(upstream: Upstream) -> None:
    broken = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    upstream.plays(streamed(*events()[:5], broken))
    answer = House(upstream, CONFIG).ask("/v1/messages", {**ASK, "stream": True}, SESSION)
    last = json.loads(answer.text.split("data: ")[-1])
    assert (last["type"], last["error"]["type"]) == ("error", "overloaded_error")


# A client of OpenAI's API


def test_a_chat_is_answered(upstream: Upstream) -> None:
    upstream.plays(Reply.json(MESSAGE))
    body = {**CHAT, "model": CLAUDE, "max_tokens": 9, "reasoning_effort": "low", "store": False}
    answer = House(upstream, CONFIG).ask(body=body)
    assert upstream.requests[0].json == {
        "model": CLAUDE,
        "max_tokens": 9,
        "messages": HI,
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "low"},
    }
    assert answer.headers["x-puna-dropped-params"] == "store"
    (choice,) = answer.json["choices"]
    assert choice["finish_reason"] == "tool_calls"
    message = choice["message"]
    assert message["content"] == "Looking."
    assert message["reasoning_content"] == THOUGHT["thinking"]
    assert message["thinking_blocks"] == [THOUGHT, HIDDEN, LATER]
    assert [call["id"] for call in message["tool_calls"]] == ["toolu_1", "toolu_2"]

    turns = [
        *HI,
        message,
        *(
            {"role": "tool", "tool_call_id": call["id"], "content": "4"}
            for call in message["tool_calls"]
        ),
    ]
    upstream.plays(Reply.json(MESSAGE))
    House(upstream, CONFIG).ask(body={"model": CLAUDE, "messages": turns})
    again = upstream.requests[1].json
    assert again["messages"][1] == {"role": "assistant", "content": CONTENT}
    assert again["max_tokens"] == 128_000


def test_a_chat_is_streamed_with_its_usage(upstream: Upstream) -> None:
    upstream.plays(streamed())
    body = {**CHAT, "model": CLAUDE, "stream": True, "stream_options": {"include_usage": True}}
    answer = House(upstream, CONFIG).ask(body=body)
    assert answer.said == "Looking."
    *_, finish, usage = answer.chunks
    assert finish["choices"][0]["finish_reason"] == "tool_calls"
    assert usage["usage"]["prompt_tokens"] == 60
    assert usage["usage"]["prompt_tokens_details"]["cached_tokens"] == 30
    assert upstream.requests[0].json["stream"] is True
    assert "stream_options" not in upstream.requests[0].json


class Anywhere:
    """A transport with callbacks that would carry anything."""

    def prepare(self, request: HTTPRequest) -> Any:
        return self if request.url else None

    def start(self, request: Any, sink: ReplySink) -> Any:
        raise AssertionError((request, sink))

    def can_send(self, url: str) -> bool:
        return bool(url)


def test_the_fast_lane_leaves_another_protocol_alone(upstream: Upstream) -> None:
    routes = FastRoutes(House(upstream, CONFIG).directory, Anywhere())
    assert routes.find(MODEL) is not None
    assert routes.find(CLAUDE) is None
