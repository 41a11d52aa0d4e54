"""Sends the reasoning of earlier answers back to hosts that accept it, and drops it for others.

It may stand in a field of the message, whose name differs between hosts, in opaque blocks
(`thinking_blocks`), or in parts of the content.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from puna.bridges.histories.rules import THOUGHT_FIELDS, ThoughtRule
from puna.types.messages import THINKING_BLOCKS

Message = dict[str, Any]
Dropped = dict[str, None]

THOUGHT_PARTS = ("thinking", "redacted_thinking", "reasoning")
_DETAILS = "reasoning_details"
_BLOCKS_NAME = "messages.thinking"
_PART_NAME = "messages[].content[].thinking"
_TEXTS = ("thinking", "text", "reasoning", "summary")


def has_thoughts(message: Mapping[str, Any]) -> bool:
    """Whether a message holds reasoning, in any of the known fields."""
    if any(name in message for name in THOUGHT_FIELDS) or THINKING_BLOCKS in message:
        return True
    content = message.get("content")
    return isinstance(content, list) and any(
        part.get("type") in THOUGHT_PARTS for part in cast("list[Mapping[str, Any]]", content)
    )


def fit_thoughts(message: Message, rule: ThoughtRule, dropped: Dropped) -> Message:
    """Move the reasoning of an assistant message to the field that the host reads, or drop it.

    `thinking_blocks` are left alone: dialects that have such blocks send them unchanged.
    """
    if has_thoughts(message):
        message = _fit_fields(message, rule, dropped)
    if rule.is_needed and rule.field is not None and message.get("tool_calls"):
        message = message if rule.field in message else {**message, rule.field: ""}
    return message


def blocks_as_thoughts(message: Message, rule: ThoughtRule, dropped: Dropped) -> Message:
    """Turn a message's `thinking_blocks` into text in the host's field, or drop them.

    For hosts that have no such blocks.
    """
    blocks: list[Mapping[str, Any]] = message[THINKING_BLOCKS]
    rest = {name: value for name, value in message.items() if name != THINKING_BLOCKS}
    if any(block.get("signature") or not _thought_text(block) for block in blocks):
        dropped[_BLOCKS_NAME] = None  # no other host can read what is signed or encrypted
    if any(rest.get(name) for name in rule.kept):
        return rest  # the same thoughts, in the host's own words
    text = "".join(_thought_text(block) for block in blocks)
    if rule.field is not None and text:
        return {**rest, rule.field: text}
    dropped[_BLOCKS_NAME] = None
    return {name: value for name, value in rest.items() if name not in THOUGHT_FIELDS}


def _fit_fields(message: Message, rule: ThoughtRule, dropped: Dropped) -> Message:
    """An assistant message with only the reasoning fields that the host accepts."""
    told = {name: message[name] for name in THOUGHT_FIELDS if message.get(name)}
    fitted = {name: value for name, value in message.items() if name not in THOUGHT_FIELDS}
    kept = {name: value for name, value in told.items() if name in rule.kept}
    fitted.update(kept)
    content = message.get("content")
    thoughts: list[Mapping[str, Any]] = []
    if isinstance(content, list):
        parts = cast("list[Mapping[str, Any]]", content)
        thoughts = [part for part in parts if part.get("type") in THOUGHT_PARTS]
        if thoughts:
            fitted["content"] = [p for p in parts if p.get("type") not in THOUGHT_PARTS]
    others = [name for name in told if name not in kept]
    if rule.field is not None and rule.field not in kept:
        texts = [_thought_text(told[name]) for name in THOUGHT_FIELDS if name in told]
        text = next((one for one in texts if one), "") or "".join(map(_thought_text, thoughts))
        if text:
            return {**fitted, rule.field: text}
    if kept or message.get(THINKING_BLOCKS):
        return fitted  # the same thoughts went along under another name
    dropped.update((f"messages[].{name}", None) for name in others)
    if thoughts:
        dropped[_PART_NAME] = None
    return fitted


def _thought_text(thought: Any) -> str:
    """The reasoning text of a field's value, a block, or a content part."""
    if isinstance(thought, str):
        return thought
    if isinstance(thought, list):
        return "".join(map(_thought_text, cast("list[Any]", thought)))
    if isinstance(thought, Mapping):
        fields = cast("Mapping[str, Any]", thought)
        return next((text for name in _TEXTS if (text := _thought_text(fields.get(name)))), "")
    return ""
