"""Checks parts of an Anthropic message that a host may get wrong: its calls and its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from puna.dialects.base import ReadContext
from puna.dialects.openai_replies import is_nameless, nameless_call_error


def check_calls(calls: Sequence[Mapping[str, Any]], context: ReadContext) -> None:
    """Raise MalformedReplyError for a call, or the beginning of one, without a function name."""
    if any("id" in call and is_nameless(call) for call in calls):
        raise nameless_call_error(context)


def check_end(event: Mapping[str, Any]) -> None:
    """Raise ValueError for a message event whose stop reason is not a string."""
    if event["type"] == "message_delta":
        reason = event["delta"].get("stop_reason")
        if reason is not None and not isinstance(reason, str):
            raise ValueError("a reason that is no text")
