"""A gateway before a host that has an endpoint for text completions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.support.asgi import Answer, House

from puna.telemetry.events import CallEvent
from puna.transports.replay import AsyncReplayTransport, Recorded, ReplayTransport, in_order

CONFIG = """
model_list:
  - model_name: base
    litellm_params:
      model: hosted_vllm/m
      api_base: "http://up.test/v1"
      input_cost_per_token: 0.000002
      output_cost_per_token: 0.00001
litellm_settings: {num_retries: 0}
"""
JSON = {"content-type": "application/json"}
SSE = {"content-type": "text/event-stream"}
USAGE = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}


def choice(text: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": "stop", **fields}


def body(*choices: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": "cmpl-up",
        "object": "text_completion",
        "created": 5,
        "model": "m",
        "choices": list(choices),
        "usage": USAGE,
        **fields,
    }


def whole(*choices: Mapping[str, Any], **fields: Any) -> Recorded:
    return Recorded(200, JSON, [json.dumps(body(*choices, **fields)).encode()])


def frames(*chunks: Mapping[str, Any], end: str = "data: [DONE]\n\n") -> bytes:
    return ("".join(f"data: {json.dumps(one)}\n\n" for one in chunks) + end).encode()


def piece(text: str, finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    made = body(choice(text, finish_reason=finish_reason, **fields))
    return {name: value for name, value in made.items() if name != "usage"}


def house(
    *replies: Recorded, config: str = CONFIG, seen: list[CallEvent] | None = None
) -> tuple[House, AsyncReplayTransport]:
    transport = AsyncReplayTransport(in_order(*replies))
    hooks = (seen.append,) if seen is not None else ()
    return House(transport=transport, config=config, hooks=hooks), transport


def ask(made: House, **fields: Any) -> Answer:
    return made.ask("/v1/completions", {"model": "base", "prompt": "Hello", **fields})


def sent(transport: AsyncReplayTransport | ReplayTransport, index: int = -1) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(transport.requests[index].body)
    return read
