"""The same request through both ways of the gateway: answers, records and upstream requests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from tests.support.asgi import Answer
from tests.support.lanes import Edge
from tests.support.ledger import Ledger

from puna.telemetry.events import CallEvent
from puna.transports.replay import Player
from puna.types.report import CallReport

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
OWN_HEADERS = (
    *("content-length", "date", "transfer-encoding"),
    *("x-puna-lane", "x-litellm-response-duration-ms"),
)
"""Headers of an answer that differ between lanes, or from moment to moment."""


def same_ids(text: str) -> str:
    """Text with the ids that a gateway makes replaced."""
    return _VARIES.sub("ID", text)


def shape(answer: Answer) -> Any:
    """What both lanes must agree on."""
    headers = {k: v for k, v in answer.headers.items() if k not in OWN_HEADERS}
    if answer.headers.get("content-type") == "text/event-stream":
        body: Any = [
            json.loads(same_ids(event)) if event != "[DONE]" else event for event in answer.events
        ]
    else:
        body = json.loads(same_ids(answer.text))
    return answer.status, headers, body


def seen_of(report: CallReport) -> dict[str, Any]:
    """A report without what a clock says and without the lane."""
    seen = asdict(report)
    for name in ("lane", "duration_s", "first_chunk_s", "started_at"):
        seen.pop(name)
    return seen


def record(event: CallEvent) -> Any:
    """What of a call's record both lanes must agree on."""
    error = (type(event.error).__name__, str(event.error)) if event.error else None
    answer = same_ids(event.answer.to_json()) if event.answer is not None else None
    return (
        seen_of(event.report),
        event.outcome,
        event.is_stream,
        error,
        event.messages,
        dict(event.metadata),
        json.loads(answer) if answer else None,
    )


def settlements(ledger: Ledger) -> Any:
    """What of the holds of visits, and of what was counted, both lanes must agree on."""
    assert ledger.held == 0
    assert len(ledger.admitted) == len(ledger.settled)
    visits = [
        (
            visit.line,
            visit.status,
            visit.principal,
            [(seen_of(report), outcome) for report, outcome in visit.reports],
        )
        for visit in ledger.closed_visits
    ]
    noted = [(seen_of(report), outcome) for report, outcome in ledger.noted]
    assert noted == [one for _, _, _, reports in visits for one in reports]
    return visits, len(ledger.settled), ledger.spent


async def ask_both(
    play: Player,
    data: bytes,
    config: str = CONFIG,
    *,
    view: Callable[[Answer], Any] = shape,
    has_hooks: bool = True,
) -> tuple[Edge, Edge, Answer]:
    """Send the same bytes through both lanes, which must agree.

    They must give the same answer, as `view` sees it, ask their host for the same, and settle the
    visit alike; with hooks they must tell them the same. Returns the two lanes and the answer of
    the fast one.
    """
    ledgers = Ledger(), Ledger()
    fast, full = (
        Edge(play, config, is_fast=is_fast, ledger=ledger, has_hooks=has_hooks)
        for is_fast, ledger in zip((True, False), ledgers, strict=True)
    )
    answer = await fast.ask(data)
    other = await full.ask(data)
    assert view(answer) == view(other)
    assert settlements(ledgers[0]) == settlements(ledgers[1])
    assert [record(one) for one in fast.events] == [record(one) for one in full.events]
    ours, theirs = [*fast.hot.requests, *fast.full.requests], full.full.requests
    assert [json.loads(r.body) for r in ours] == [json.loads(r.body) for r in theirs]
    assert [(r.url, r.headers, r.timeouts) for r in ours] == [
        (r.url, r.headers, r.timeouts) for r in theirs
    ]
    return fast, full, answer
