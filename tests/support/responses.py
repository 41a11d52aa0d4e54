"""What every response has beside what a host says, written down by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

USUAL: Mapping[str, Any] = {
    "background": False,
    "completed_at": None,
    "error": None,
    "frequency_penalty": 0.0,
    "incomplete_details": None,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "object": "response",
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": None,
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "usage": None,
}


def filled(body: Mapping[str, Any], **own: Any) -> dict[str, Any]:
    """A host's response as callers get it; `own` fields take the place of the host's."""
    said = {n: v for n, v in body.items() if v is not None or USUAL.get(n) is None}
    tools = [
        {"description": None, "parameters": None, "strict": None, **tool}
        if tool["type"] == "function"
        else tool
        for tool in body.get("tools", ())
    ]
    return {**USUAL, **said, **({"tools": tools} if tools else {}), **own}
