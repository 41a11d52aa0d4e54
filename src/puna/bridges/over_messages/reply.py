"""Converts an Anthropic message to a chat completion."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from puna.bridges.block_order import (
    BLOCK_ORDER,
    THINKING,
    THOUGHTS,
    TOOL_USE,
    Entry,
    is_usual_order,
)
from puna.bridges.messages_only import EXTRA_FIELDS, MESSAGE_FIELDS
from puna.types.counts import read_count, read_counts
from puna.types.messages import THINKING_BLOCKS

Fields = dict[str, Any]

_KNOWN_FIELDS = frozenset((
    *("type", "id", "role", "model", "content", "usage", "delta", "container"),
    *("stop_reason", "stop_sequence", "stop_details"),
))  # fmt: skip

_FINISH_REASONS: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""A reason that is not here is passed on as it came."""


def message_fields(blocks: Sequence[Mapping[str, Any]], message: Mapping[str, Any]) -> Fields:
    """Convert the blocks of an answer to the fields of a chat message.

    `message` are the Anthropic message's unknown fields.

    Raises:
        ValueError, TypeError, KeyError: a block is malformed.
    """
    texts = [block["text"] for block in blocks if block["type"] == "text" and block["text"]]
    thoughts = [dict(block) for block in blocks if block["type"] in THOUGHTS]
    calls = [tool_call_fields(block) for block in blocks if block["type"] == TOOL_USE]
    has_more = bool(thoughts or calls)
    said: Fields = {"role": "assistant", "content": "".join(texts) or (None if has_more else "")}
    thought = "".join(block.get("thinking") or "" for block in thoughts)
    return {
        **said,
        **({"reasoning_content": thought} if thought else {}),
        **({THINKING_BLOCKS: thoughts} if thoughts else {}),
        **({"tool_calls": calls} if calls else {}),
        **order_fields([_order_entry(block) for block in blocks if _is_chat_block(block)]),
        **other_fields(blocks, message),
    }


def order_fields(order: Sequence[Entry]) -> Fields:
    """The field `block_order`, where the blocks have an unusual order; else nothing."""
    return {} if is_usual_order(order) else {BLOCK_ORDER: list(order)}


def unknown_fields(message: Mapping[str, Any]) -> Fields:
    """The fields of a message, or of its last event, that Puna does not know.

    They are passed on.
    """
    return {k: v for k, v in message.items() if k not in _KNOWN_FIELDS and v is not None}


def other_fields(blocks: Sequence[Mapping[str, Any]], message: Mapping[str, Any]) -> Fields:
    """`provider_specific_fields`: citations, blocks without a place in chat, and unknown fields."""
    others = [dict(block) for block in blocks if block["type"] not in ("text", TOOL_USE, *THOUGHTS)]
    cited = [block["citations"] for block in blocks if block.get("citations")]
    found: Fields = {
        **({"citations": cited} if cited else {}),
        **({"blocks": others} if others else {}),
    }
    if message:
        found[MESSAGE_FIELDS] = dict(message)
    return {EXTRA_FIELDS: found} if found else {}


def tool_call_fields(block: Mapping[str, Any]) -> Fields:
    """Convert a `tool_use` block to a tool call."""
    arguments = json.dumps(block["input"], ensure_ascii=False, separators=(",", ":"))
    return {
        "id": block["id"],
        "type": "function",
        "function": {"name": block["name"], "arguments": arguments},
    }


def choice_fields(stop: Mapping[str, Any]) -> Fields:
    """Convert a stop reason to `finish_reason`, and a stop sequence to vLLM's `stop_reason`."""
    reason = stop.get("stop_reason")
    matched = stop.get("stop_sequence")
    return {
        "finish_reason": _FINISH_REASONS.get(str(reason), reason),
        **({"stop_reason": matched} if isinstance(matched, str) else {}),
        **({"stop_details": stop["stop_details"]} if stop.get("stop_details") else {}),
    }


def usage_fields(usage: Mapping[str, Any]) -> Fields | None:
    """Convert usage to chat's counting, where cached tokens are part of the prompt tokens.

    None without usage.
    """
    fresh, written, cached, made = read_counts(usage, _COUNTS)
    if fresh is None and made is None:
        return None
    prompt = (fresh or 0) + (written or 0) + (cached or 0)
    details: Fields = {"cached_tokens": cached or 0, "cache_creation_tokens": written or 0}
    if isinstance(usage.get("cache_creation"), Mapping):
        details["cache_creation_token_details"] = usage["cache_creation"]
    told: Fields = {
        "prompt_tokens": prompt,
        "completion_tokens": made or 0,
        "total_tokens": prompt + (made or 0),
        "prompt_tokens_details": details,
    }
    spent = usage.get("output_tokens_details")
    thought = read_count(spent.get("thinking_tokens")) if isinstance(spent, Mapping) else None
    if thought is not None:
        told["completion_tokens_details"] = {"reasoning_tokens": thought}
    return told


_COUNTS = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
)


def _is_chat_block(block: Mapping[str, Any]) -> bool:
    """Whether chat has a field for a block: text, thinking, a call."""
    return block["type"] in (*THOUGHTS, TOOL_USE) or bool(block["type"] == "text" and block["text"])


def _order_entry(block: Mapping[str, Any]) -> Entry:
    """The entry for a block in `block_order`."""
    if block["type"] in THOUGHTS:
        return THINKING
    return TOOL_USE if block["type"] == TOOL_USE else len(block["text"])
