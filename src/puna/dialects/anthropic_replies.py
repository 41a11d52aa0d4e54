"""What of an Anthropic message is not taken on trust: its calls, its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from puna.dialects.base import ReadContext
from puna.dialects.openai_replies import is_nameless, nameless_call


def check_calls(calls: Sequence[Mapping[str, Any]], context: ReadContext) -> None:
    """Raise MalformedReplyError for a call, or the beginning of one, that names no function."""
    if any("id" in call and is_nameless(call) for call in calls):
        raise nameless_call(context)


def check_end(event: Mapping[str, Any]) -> None:
    """Raise ValueError for an event that ends the message for a reason that is no word."""
    if event["type"] == "message_delta":
        reason = event["delta"].get("stop_reason")
        if reason is not None and not isinstance(reason, str):
            raise ValueError("a reason that is no text")
