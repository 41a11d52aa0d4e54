"""Which deployment is asked for a response, and whether in the Responses API or over chat."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.support.asgi import Caller, House, events_of
from tests.support.native_responses import BRIDGED, CONFIG, TOOL, ask, fixture, house, sent
from tests.support.upstream import completion_body

from puna.telemetry.events import CallEvent
from puna.transports.replay import AsyncReplayTransport, Recorded


def both(*replies: Recorded, first: str) -> tuple[House, AsyncReplayTransport]:
    second = {"gpt": "llama", "llama": "gpt"}[first]
    settings = f"router_settings: {{fallbacks: [{{{first}: [{second}]}}], num_retries: 0}}\n"
    return house(*replies, config=CONFIG + BRIDGED + settings)


def chat_answer() -> Recorded:
    body = completion_body({"content": "over chat"})
    return Recorded(200, {"content-type": "application/json"}, [json.dumps(body).encode()])


OUT_OF_ORDER = Recorded(503, {"content-type": "application/json"}, [b'{"error":{"message":"no"}}'])


@pytest.mark.parametrize("stream", [False, True])
def test_a_fallback_may_speak_the_other_way(
    stream: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    made, transport = both(OUT_OF_ORDER, chat_answer(), first="gpt")
    answer = ask(made, stream=stream)
    response = events_of(answer)[-1]["response"] if stream else answer.json
    assert response["output"][0]["content"][0]["text"] == "over chat"
    assert response["id"].startswith("resp_")
    assert [request.url.rpartition("/")[2] for request in transport.requests] == [
        "responses",
        "completions",
    ]
    assert answer.headers["x-litellm-attempted-fallbacks"] == "1"

    made, transport = both(OUT_OF_ORDER, fixture("stream" if stream else "whole"), first="llama")
    answer = ask(made, model="llama", stream=stream)
    response = events_of(answer)[-1]["response"] if stream else answer.json
    assert (response["status"], response["model"]) == ("completed", "llama")


def test_a_conversation_may_change_its_way() -> None:
    made, transport = both(fixture("function_call"), chat_answer(), fixture("whole"), first="gpt")
    first = ask(made, tools=[TOOL])
    call_id = first.json["output"][1]["call_id"]
    output = {"type": "function_call_output", "call_id": call_id, "output": "22"}
    over_chat = ask(made, model="llama", input=[output], previous_response_id=first.json["id"])
    assert [message["role"] for message in sent(transport)["messages"]] == [
        "user",
        "assistant",
        "tool",
    ]
    ask(made, previous_response_id=over_chat.json["id"])
    items = sent(transport)["input"]
    assert [item["type"] for item in items] == [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "message",
        "message",
    ]
    assert items[4]["content"][0]["text"] == "over chat"
    assert not any("puna_deployment" in item for item in items)


def test_thoughts_go_only_to_the_deployment_that_made_them() -> None:
    other = CONFIG.replace("model_list:", "").replace("gpt\n", "other\n").replace("5.4", "5.5")
    made, transport = house(fixture("function_call"), fixture("whole"), config=CONFIG + other)
    first = ask(made, tools=[TOOL])
    call_id = first.json["output"][1]["call_id"]
    output = {"type": "function_call_output", "call_id": call_id, "output": "22"}
    second = ask(made, model="other", input=[output], previous_response_id=first.json["id"])
    kinds = [item["type"] for item in sent(transport)["input"]]
    assert kinds == ["message", "function_call", "function_call_output"]
    assert second.headers["x-puna-dropped-params"] == "input.reasoning"


SEARCH = {"type": "web_search"}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({}, "responses"),
        ({"tools": [SEARCH]}, "responses"),
        ({"tools": [SEARCH], "drop_params": True}, "responses"),
        ({"tools": [TOOL]}, "completions"),
        ({"tools": [{"type": "custom", "name": "apply_patch"}]}, "completions"),
        ({"tools": [TOOL, SEARCH]}, "completions"),
        ({"tools": [TOOL, SEARCH], "strict_tools": True}, "responses"),
        ({"tools": [TOOL, {"type": "browser_search"}]}, "responses"),
        ({"tools": [TOOL, {"type": "browser_search"}], "drop_params": True}, "completions"),
    ],
)
def test_a_host_of_models_that_write_calls_as_text_has_functions_over_chat(
    fields: dict[str, Any], path: str
) -> None:
    config = """
model_list:
  - model_name: gpt
    litellm_params: {model: hosted_vllm/m, api_base: "http://up.test/v1"}
"""
    reply = chat_answer() if path == "completions" else fixture("whole")
    made, transport = house(reply, config=config)
    assert ask(made, **fields).status == 200
    assert transport.requests[0].url.endswith(path)


@pytest.mark.parametrize(
    ("model", "spoken", "path"),
    [
        ("openai/m", '["/v1/responses"]', "http://up.test/v1/responses"),
        ("openai/m", '["/v1/chat/completions"]', "http://up.test/v1/chat/completions"),
        ("hosted_vllm/m", '["/v1/chat/completions"]', "http://up.test/v1/chat/completions"),
    ],
)
def test_an_operator_says_whether_a_host_speaks_it(model: str, spoken: str, path: str) -> None:
    config = f"""
model_list:
  - model_name: gpt
    litellm_params: {{model: {model}, api_base: "http://up.test/v1"}}
    model_info: {{supported_endpoints: {spoken}}}
"""
    is_native = path.endswith("responses")
    made, transport = house(fixture("whole") if is_native else chat_answer(), config=config)
    assert ask(made).status == 200
    assert transport.requests[0].url == path
    assert "authorization" not in transport.requests[0].headers


def test_a_deployments_defaults_are_said_in_the_words_of_this_api() -> None:
    config = CONFIG + (
        "      max_tokens: 50\n      reasoning_effort: low\n      seed: 7\n      temperature: 0.5\n"
    )
    made, transport = house(fixture("whole"), fixture("whole"), config=config)
    answer = ask(made)
    body = sent(transport)
    assert (body["max_output_tokens"], body["reasoning"]) == (50, {"effort": "low"})
    assert body["temperature"] == 0.5
    assert not {"max_tokens", "seed", "reasoning_effort"} & body.keys()
    assert answer.headers["x-puna-dropped-params"] == "seed"
    ask(made, max_output_tokens=9, reasoning={"summary": "auto"})
    assert sent(transport)["max_output_tokens"] == 9
    assert sent(transport)["reasoning"] == {"summary": "auto"}


def test_a_deployments_drop_params_counts_over_chat() -> None:
    config = "model_list:" + BRIDGED.replace("api_key: k", "api_key: k, drop_params: true")
    made, _ = house(chat_answer(), config=config)
    answer = ask(made, model="llama", tools=[{"type": "future"}])
    assert answer.status == 200
    assert answer.headers["x-puna-dropped-params"] == "tools[0]"


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"tools": [{"type": "web_search"}]}, "responses"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "x": 1}]}]}, "responses"),
    ],
)
def test_of_one_name_that_deployment_is_asked_which_takes_it_whole(
    fields: dict[str, Any], path: str
) -> None:
    config = CONFIG + BRIDGED.replace("model_name: llama", "model_name: gpt")
    for _ in range(4):
        made, transport = house(fixture("whole"), config=config)
        assert ask(made, **fields).status == 200
        assert transport.requests[0].url.endswith(path)


def test_hooks_are_told_of_a_request_that_chat_cannot_do() -> None:
    seen: list[CallEvent] = []
    made, transport = house(config="model_list:" + BRIDGED, hooks=(seen.append,))
    answer = ask(made, model="llama", tools=[{"type": "future"}])
    assert answer.error["param"] == "tools[0].type"
    assert (seen[0].outcome, seen[0].input[0]["content"]) == ("failure", "hi")
    assert transport.requests == []


def test_a_client_that_leaves_a_stream_closes_the_hosts() -> None:
    made, transport = house(fixture("stream"))
    body = {"model": "gpt", "input": "hi", "stream": True}

    async def run() -> None:
        caller = Caller("POST", "/v1/responses", body, leaves_after=2)
        await caller.call(made.app)

    asyncio.run(run())
    assert transport.open_replies == 0
