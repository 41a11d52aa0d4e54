"""Requests with tools, images and formats pass by their bytes, and get what the readers give."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest
from tests.support import agent_traffic
from tests.support.asgi import Answer
from tests.support.lane_pairs import AUTH, KEY, record, shape
from tests.support.lanes import Edge, request_bytes

from puna.transports.replay import Recorded
from puna.wire.http import HTTPRequest

CONFIG = f"""
model_list:
  - model_name: public
    litellm_params: {{model: openai/up/model, api_base: "http://up/v1", api_key: sk-host}}
  - model_name: self-hosted
    litellm_params: {{model: hosted_vllm/up/model, api_base: "http://up/v1"}}
  - model_name: defaults
    litellm_params:
      model: openai/up/model
      api_base: "http://up/v1"
      temperature: 0.25
      max_tokens: 77
      top_k: 9
      extra_headers: {{x-team: blue}}
  - model_name: quiet
    litellm_params: {{model: openai/up/model, api_base: "http://up/v1", rescue_tool_calls: false}}
  - model_name: own
    litellm_params: {{model: openai/gpt-9, api_key: sk-host}}
  - model_name: strict
    litellm_params: {{model: groq/up/model, api_key: sk-host}}
  - model_name: falls
    litellm_params: {{model: openai/falls, api_base: "http://down/v1"}}
litellm_settings: {{num_retries: 0}}
router_settings: {{fallbacks: [{{falls: [public]}}], disable_cooldowns: true}}
general_settings: {{master_key: {KEY}}}
"""
MODELS = ["public", "public", "self-hosted", "defaults", "quiet", "own", "strict", "falls"]


def folded(answer: Answer) -> Any:
    """A stream joined: the texts and calls of its choices, however they were cut."""
    status, headers, body = shape(answer)
    if not isinstance(body, list):
        return status, headers, body
    said: dict[int, dict[str, Any]] = {}
    others: list[Any] = []
    for event in body:
        if event == "[DONE]" or not event.get("choices"):
            others.append(event)
            continue
        for choice in event["choices"]:
            told = said.setdefault(choice["index"], {"content": "", "calls": {}, "ends": []})
            delta = choice["delta"]
            told["content"] += delta.get("content") or ""
            told.setdefault("role", delta.get("role"))
            if choice.get("finish_reason"):
                told["ends"].append(choice["finish_reason"])
            for piece in delta.get("tool_calls", ()):
                call = told["calls"].setdefault(piece["index"], {"arguments": ""})
                function = piece["function"]
                call["arguments"] += function["arguments"]
                for name in ("id", "type"):
                    assert name not in piece or name not in call
                    call |= {name: piece[name]} if name in piece else {}
                assert "name" not in function or "name" not in call
                call |= {"name": function["name"]} if "name" in function else {}
        others.append({k: v for k, v in event.items() if k != "choices"})
    names = [other for i, other in enumerate(others) if other not in others[:i]]
    return status, headers, said, names


async def compare(body: dict[str, Any] | bytes, recorded: Recorded) -> tuple[Edge, Answer]:
    """Send a request through both ways, which must agree; the passing one's edge and answer."""

    def play(request: HTTPRequest) -> Recorded:
        return Recorded(503, {}, (b"",)) if "down" in request.url else recorded

    passing, mending = Edge(play, CONFIG, is_fast=True), Edge(play, CONFIG, is_fast=False)
    data = request_bytes(body, AUTH)
    answer, other = await passing.ask(data), await mending.ask(data)
    assert folded(answer) == folded(other)
    assert [record(one) for one in passing.events] == [record(one) for one in mending.events]
    ours = [*passing.hot.requests, *passing.full.requests]
    theirs = mending.full.requests
    assert [json.loads(r.body) for r in ours] == [json.loads(r.body) for r in theirs]
    assert [(r.url, r.headers, r.timeouts) for r in ours] == [
        (r.url, r.headers, r.timeouts) for r in theirs
    ]
    return passing, answer


@pytest.mark.parametrize("part", range(4))
def test_agents_requests_get_the_same_from_both_readers(part: int) -> None:
    async def run() -> list[str]:
        lanes: list[str] = []
        for seed in range(part * 500, part * 500 + 500):
            dice = random.Random(seed)  # noqa: S311 - chance of tests, not of keys
            body = agent_traffic.request(dice, MODELS)
            is_stream = bool(body.get("stream"))
            make = agent_traffic.stream_reply if is_stream else agent_traffic.whole_reply
            try:
                _, answer = await compare(body, make(dice))
            except AssertionError as error:
                raise AssertionError(f"seed {seed}") from error
            lanes.append(answer.headers.get("x-puna-lane", "none"))
        return lanes

    lanes = asyncio.run(run())
    assert lanes.count("fast") > 130
    assert lanes.count("full") > 50
