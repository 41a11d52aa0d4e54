"""The same request through both ways of the gateway: answers, records and upstream requests."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import Any

from tests.support.asgi import Answer
from tests.support.lanes import Edge

from puna.telemetry.events import CallEvent
from puna.transports.replay import Player

KEY = "sk-master-1234567890"
HOST_KEY = "sk-host-canary-5550"
CONFIG = f"""
model_list:
  - model_name: public
    litellm_params: {{model: openai/up/model, api_base: "http://up/v1", api_key: {HOST_KEY}}}
  - model_name: priced
    litellm_params:
      model: openai/priced
      api_base: http://up/v1
      api_key: {HOST_KEY}
      input_cost_per_token: 0.000001
      output_cost_per_token: 0.000002
  - model_name: same
    litellm_params: {{model: openai/same, api_base: "http://up/v1"}}
  - model_name: falls
    litellm_params: {{model: openai/falls, api_base: "http://down/v1"}}
  - model_name: wild/*
    litellm_params: {{model: openai/*, api_base: "http://up/v1"}}
  - model_name: own
    litellm_params: {{model: openai/up/model, api_key: {HOST_KEY}}}
  - model_name: own-falls
    litellm_params: {{model: openai/falls, api_base: "http://down/v1"}}
litellm_settings: {{num_retries: 0}}
router_settings:
  fallbacks: [{{falls: [public]}}, {{own-falls: [own]}}]
  disable_cooldowns: true
general_settings: {{master_key: {KEY}}}
"""
ASKING = f"{CONFIG}  always_include_stream_usage: true\n".replace(
    f"{{master_key: {KEY}}}", f"\n  master_key: {KEY}"
)
"""Every host is asked for the usage of its streams."""

AUTH = {"authorization": f"Bearer {KEY}", "x-litellm-call-id": "call-1"}

_VARIES = re.compile(r"(chatcmpl|call)[-_][0-9a-z_-]+")
_OWN_HEADERS = ("date", "x-puna-lane", "x-litellm-response-duration-ms", "transfer-encoding")


def same_ids(text: str) -> str:
    """Text with the ids that a gateway makes replaced."""
    return _VARIES.sub("ID", text)


def shape(answer: Answer) -> Any:
    """What both lanes must agree on."""
    headers = {
        k: v for k, v in answer.headers.items() if k not in (*_OWN_HEADERS, "content-length")
    }
    if answer.headers.get("content-type") == "text/event-stream":
        body: Any = [
            json.loads(same_ids(event)) if event != "[DONE]" else event for event in answer.events
        ]
    else:
        body = json.loads(same_ids(answer.text))
    return answer.status, headers, body


def record(event: CallEvent) -> Any:
    """What of a call's record both lanes must agree on."""
    report = asdict(event.report)
    for name in ("lane", "duration_s", "first_chunk_s", "started_at"):
        report.pop(name)
    error = (type(event.error).__name__, str(event.error)) if event.error else None
    answer = same_ids(event.answer.to_json()) if event.answer is not None else None
    return (
        report,
        event.outcome,
        event.is_stream,
        error,
        event.messages,
        dict(event.metadata),
        json.loads(answer) if answer else None,
    )


async def ask_both(play: Player, data: bytes, config: str = CONFIG) -> tuple[Edge, Edge, Answer]:
    """Send the same bytes through both lanes, which must agree; the fast lane's answer."""
    fast, full = Edge(play, config, is_fast=True), Edge(play, config, is_fast=False)
    answer = await fast.ask(data)
    other = await full.ask(data)
    assert shape(answer) == shape(other)
    assert [record(one) for one in fast.events] == [record(one) for one in full.events]
    bodies = [json.loads(r.body) for r in (*fast.hot.requests, *fast.full.requests)]
    assert bodies == [json.loads(r.body) for r in full.full.requests]
    for ours, theirs in zip(fast.hot.requests, full.full.requests, strict=False):
        assert (ours.url, ours.headers, ours.timeouts) == (
            theirs.url,
            theirs.headers,
            theirs.timeouts,
        )
    return fast, full, answer
