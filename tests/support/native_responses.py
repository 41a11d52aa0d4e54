"""A gateway before a host that speaks the Responses API, by its fixtures."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.support.asgi import Answer, House
from tests.support.provider_suite import FIXTURES, load

from puna.telemetry.events import CallEvent
from puna.transports.replay import AsyncReplayTransport, Recorded, in_order

KEY = "sk-openai-canary-4711"
CONFIG = """
model_list:
  - model_name: gpt
    litellm_params:
      model: openai/gpt-5.4
      api_key: os.environ/OPENAI_API_KEY
      input_cost_per_token: 0.000002
      output_cost_per_token: 0.00001
"""
BRIDGED = """
  - model_name: llama
    litellm_params: {model: meta_llama/m, api_key: k, api_base: "http://up.test/v1"}
"""
TOOL = {"type": "function", "name": "get_current_weather", "parameters": {"type": "object"}}


def fixture(name: str, status: int | None = None) -> Recorded:
    given = load(FIXTURES / "openai" / "responses" / f"{name}.json")
    pieces = given.get("pieces") or [json.dumps(given["body"])]
    headers = given["headers"]
    return Recorded(status or given["status"], headers, [piece.encode() for piece in pieces])


def house(
    *replies: Recorded, config: str = CONFIG, hooks: tuple[Callable[[CallEvent], None], ...] = ()
) -> tuple[House, AsyncReplayTransport]:
    transport = AsyncReplayTransport(in_order(*replies))
    made = House(transport=transport, config=config, environ={"OPENAI_API_KEY": KEY}, hooks=hooks)
    return made, transport


def ask(made: House, **fields: Any) -> Answer:
    return made.ask("/v1/responses", {"model": "gpt", "input": "hi", **fields})


def sent(transport: AsyncReplayTransport, index: int = -1) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(transport.requests[index].body)
    return body
