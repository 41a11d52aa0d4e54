"""What a request may use at most: the fast lane computes it by length, and agrees with the full."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.support.asgi import CHAT
from tests.support.lanes import Edge, request_bytes
from tests.support.ledger import Ledger
from tests.support.usual import play

from puna.engine.usage_bounds import UsageBound
from puna.gateway.visit import Visit

CONFIG = """
model_list:
  - model_name: m
    litellm_params:
      {model: openai/m, api_key: k, api_base: "http://up.test/v1", input_cost_per_token: 0.001,
       output_cost_per_token: 0.002}
  - model_name: limited
    litellm_params: {model: openai/m, api_key: k, api_base: "http://up.test/v1", max_tokens: 50}
  - model_name: two
    litellm_params:
      {model: openai/a, api_key: k, api_base: "http://up.test/v1", input_cost_per_token: 0.001,
       output_cost_per_token: 0.002}
  - model_name: two
    litellm_params: {model: openai/b, api_key: k, api_base: "http://up.test/v1"}
general_settings: {master_key: sk-master}
"""
PRICE = 10**9  # pico-dollars of a token of the prompt; one of the answer costs twice as much
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}


class Looking(Ledger):
    """It remembers the bounds, exact ones and estimates."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[UsageBound, UsageBound]] = []

    def admit(self, visit: Visit) -> Any:
        (planned,) = visit.usage
        self.seen.append((planned.bound(), planned.bound(100)))
        return super().admit(visit)


def bounds_of(body: dict[str, Any], *, is_fast: bool) -> tuple[UsageBound, UsageBound]:
    async def ask() -> tuple[UsageBound, UsageBound]:
        ledger = Looking()
        edge = Edge(play, CONFIG, is_fast=is_fast, ledger=ledger)
        answer = await edge.ask(request_bytes(body, {"authorization": "Bearer sk-master"}))
        assert answer.headers["x-puna-lane"] == ("fast" if is_fast else "full")
        return ledger.seen[0]

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"max_tokens": 7},
        {"max_tokens": 7, "n": 3},
        {"max_completion_tokens": 9, "tools": [TOOL]},
        {"model": "limited"},
        {"model": "limited", "max_tokens": 400},
        {"model": "limited", "max_completion_tokens": 400, "n": 2},
        {"model": "two", "max_tokens": 5},
        {"max_tokens": 5, "messages": [{"role": "user", "content": "é€😀\n" * 500}]},
        {"max_tokens": 5, "messages": [{"role": "user", "content": [IMAGE]}]},
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_both_lanes_bound_a_request_alike(fields: dict[str, Any], stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    body = {**CHAT, "model": "m", "stream": stream, **fields}
    for fast, full in zip(
        bounds_of(body, is_fast=True), bounds_of(body, is_fast=False), strict=True
    ):
        assert (fast.most_tokens is None) == (full.most_tokens is None)
        assert (fast.most_picos is None) == (full.most_picos is None)
        if fast.most_tokens is None or full.most_tokens is None:
            continue
        apart = fast.most_tokens - full.most_tokens
        # Escapes in JSON count by their length: up to three times that of what they stand for.
        assert -200 < apart < 200 + 2 * full.most_tokens
        if "é" not in str(fields):
            assert apart < 200
        if fast.most_picos is not None and full.most_picos is not None:
            assert fast.most_picos - full.most_picos == apart * PRICE


def test_an_image_whose_name_is_escaped_is_one_all_the_same() -> None:
    plain = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": [IMAGE]}]}

    async def ask() -> tuple[UsageBound, UsageBound]:
        ledger = Looking()
        edge = Edge(play, CONFIG, is_fast=True, ledger=ledger)
        body = json.dumps(plain).encode().replace(b"image_url", b"image_u\\u0072l")
        await edge.ask(request_bytes(body, {"authorization": "Bearer sk-master"}))
        return ledger.seen[0]

    exact, estimate = asyncio.run(ask())
    assert exact.most_tokens is None
    assert estimate.most_tokens is not None
    assert estimate.most_tokens > 1_600
