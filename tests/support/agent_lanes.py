"""Deployments that coding agents ask, and their requests through both lanes of a gateway."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Any

from tests.support import agent_traffic
from tests.support.asgi import Answer
from tests.support.lane_pairs import AUTH, KEY, ask_both, shape
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


async def compare(
    body: dict[str, Any] | bytes, recorded: Recorded, *, has_hooks: bool = True
) -> tuple[Edge, Answer]:
    """Send a chat through both lanes, which must agree; the fast one and its answer."""

    def play(request: HTTPRequest) -> Recorded:
        return Recorded(503, {}, (b"",)) if "down" in request.url else recorded

    data = request_bytes(body, AUTH)
    fast, _, answer = await ask_both(play, data, CONFIG, view=folded, has_hooks=has_hooks)
    return fast, answer


def ask_drawn(
    request: Callable[[random.Random], dict[str, Any]],
    seeds: Iterable[int],
    *,
    path: str,
    view: Callable[[Answer], Any],
    has_hooks: bool,
    config: str = CONFIG,
) -> list[tuple[int, str]]:
    """Send requests that `request` draws through both lanes, which must agree.

    `view` is what of an answer must be the same. Gives the status and the lane of each answer.
    """

    async def run() -> list[tuple[int, str]]:
        seen: list[tuple[int, str]] = []
        for seed in seeds:
            dice = random.Random(seed)  # noqa: S311 - chance of tests, not of keys
            body = request(dice)
            recorded = agent_traffic.any_reply(dice, is_stream=bool(body.get("stream")))

            def play(asked: HTTPRequest, recorded: Recorded = recorded) -> Recorded:
                return Recorded(503, {}, (b"",)) if "down" in asked.url else recorded

            data = request_bytes(body, AUTH, path=path)
            try:
                _, _, answer = await ask_both(play, data, config, view=view, has_hooks=has_hooks)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}") from error
            seen.append((answer.status, answer.headers.get("x-puna-lane", "none")))
        return seen

    return asyncio.run(run())
