"""Hosts with protocols of their own behind the gateway: clients see OpenAI's, in the full lane."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.support.asgi import Answer
from tests.support.lanes import Edge, request_bytes
from tests.support.provider_suite import FIXTURES, load

from puna.transports.replay import Recorded
from puna.wire.http import HTTPRequest

CONFIG = """
model_list:
  - model_name: local
    litellm_params: {model: ollama_chat/llama3.2, api_base: "http://box:11434"}
  - model_name: small
    litellm_params: {model: ollama/llama3.2, api_base: "http://box:11434", num_ctx: 2048}
  - model_name: windowed
    litellm_params: {model: ollama/llama3, api_base: "http://box:11434"}
    model_info: {max_input_tokens: 6000}
  - model_name: stack
    litellm_params: {model: llama_api_native/m, api_base: "http://stack:8321/v1"}
  - model_name: large
    litellm_params: {model: openai/large, api_base: "http://up/v1"}
litellm_settings: {num_retries: 0}
router_settings:
  context_window_fallbacks: [{small: [large]}, {windowed: [large]}]
"""
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
]
HI = [{"role": "user", "content": "hi"}]


def ask(body: dict[str, Any], reply: Recorded) -> tuple[Answer, list[HTTPRequest]]:
    asked: list[HTTPRequest] = []

    def play(request: HTTPRequest) -> Recorded:
        asked.append(request)
        return reply

    async def talk() -> Answer:
        return await Edge(play, CONFIG, is_fast=True).ask(request_bytes(body, {}))

    return asyncio.run(talk()), asked


def recorded(folder: str, name: str) -> Recorded:
    fixture = load(FIXTURES / folder / f"{name}.json")
    pieces = fixture.get("pieces") or [json.dumps(fixture["body"])]
    return Recorded(fixture["status"], fixture["headers"], [piece.encode() for piece in pieces])


@pytest.mark.parametrize(
    ("model", "folder", "url"),
    [
        ("local", "ollama", "http://box:11434/api/chat"),
        ("stack", "llama_api_native", "http://stack:8321/v1/chat/completions"),
    ],
)
def test_a_stream_with_tools_is_openais(model: str, folder: str, url: str) -> None:
    body = {
        "model": model,
        "messages": HI,
        "tools": TOOLS,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    answer, (sent,) = ask(body, recorded(folder, "tool_call_stream"))
    assert (answer.status, answer.headers["x-puna-lane"]) == (200, "full")
    assert sent.url == url
    assert json.loads(sent.body)["tools"] == TOOLS
    *events, usage = answer.chunks
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] > 0
    assert {chunk["model"] for chunk in events} == {model}
    pieces = [c for chunk in events for c in chunk["choices"][0]["delta"].get("tool_calls", ())]
    assert {piece["index"] for piece in pieces} == {0, 1}
    assert len({piece["id"] for piece in pieces if piece.get("id")}) == 2
    for index, place in enumerate(("Paris", "Rome")):
        written = "".join(p["function"]["arguments"] for p in pieces if p["index"] == index)
        assert json.loads(written) == {"location": place}
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(("model", "folder"), [("local", "ollama"), ("stack", "llama_api_native")])
def test_plain_requests_leave_the_fast_lane_too(model: str, folder: str) -> None:
    answer, (sent,) = ask({"model": model, "messages": HI}, recorded(folder, "chat"))
    assert (answer.status, answer.headers["x-puna-lane"]) == (200, "full")
    assert answer.json["choices"][0]["message"]["content"] == "Hello there"
    assert answer.json["model"] == model
    assert json.loads(sent.body)["messages"] == HI


def test_a_stream_that_breaks_ends_with_its_error() -> None:
    body = {"model": "local", "messages": HI, "stream": True}
    answer, _ = ask(body, recorded("ollama", "stream_error"))
    *_, last = answer.events
    assert "an error was encountered" in json.loads(last)["error"]["message"]


def test_a_window_that_the_operator_names_is_not_passed() -> None:
    _, (sent,) = ask({"model": "windowed", "messages": HI}, recorded("ollama", "chat"))
    assert json.loads(sent.body)["options"] == {"num_ctx": 6_000}


@pytest.mark.parametrize("model", ["small", "windowed"])
def test_a_prompt_that_cannot_fit_goes_to_the_fallback_for_that(model: str) -> None:
    body = {"model": model, "messages": [{"role": "user", "content": "word " * 12_000}]}
    answer, (sent,) = ask(body, recorded("openai", "chat"))
    assert answer.status == 200
    assert sent.url == "http://up/v1/chat/completions"
