"""The thoughts of earlier answers: sent back where they are wanted, left out and told elsewhere.

They stand beside a message in a field that differs from host to host, in opaque blocks, or as parts
of the content.
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
    """Whether a message holds thoughts in any form."""
    if any(name in message for name in THOUGHT_FIELDS) or THINKING_BLOCKS in message:
        return True
    content = message.get("content")
    return isinstance(content, list) and any(
        part.get("type") in THOUGHT_PARTS for part in cast("list[Mapping[str, Any]]", content)
    )


def fit_thoughts(message: Message, rule: ThoughtRule, dropped: Dropped) -> Message:
    """An assistant's message with the thoughts that the host takes, in the field that it reads.

    `thinking_blocks` are not touched: dialects that have such blocks send them as they are.
    """
    if has_thoughts(message):
        message = _fit(message, rule, dropped)
    if rule.is_needed and rule.field is not None and message.get("tool_calls"):
        message = message if rule.field in message else {**message, rule.field: ""}
    return message


def blocks_as_thoughts(message: Message, rule: ThoughtRule, dropped: Dropped) -> Message:
    """`thinking_blocks` for a host without them: their text in the host's field, or left out."""
    blocks: list[Mapping[str, Any]] = message[THINKING_BLOCKS]
    rest = {name: value for name, value in message.items() if name != THINKING_BLOCKS}
    if any(block.get("signature") or not _text_of(block) for block in blocks):
        dropped[_BLOCKS_NAME] = None  # no other host can read what is signed or encrypted
    if any(rest.get(name) for name in rule.kept):
        return rest  # the same thoughts, in the host's own words
    text = "".join(_text_of(block) for block in blocks)
    if rule.field is not None and text:
        return {**rest, rule.field: text}
    dropped[_BLOCKS_NAME] = None
    return {name: value for name, value in rest.items() if name not in THOUGHT_FIELDS}


def _fit(message: Message, rule: ThoughtRule, dropped: Dropped) -> Message:
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
        texts = [_text_of(told[name]) for name in THOUGHT_FIELDS if name in told]
        text = next((one for one in texts if one), "") or "".join(map(_text_of, thoughts))
        if text:
            return {**fitted, rule.field: text}
    if kept or message.get(THINKING_BLOCKS):
        return fitted  # the same thoughts went along under another name
    dropped.update((f"messages[].{name}", None) for name in others)
    if thoughts:
        dropped[_PART_NAME] = None
    return fitted


def _text_of(thought: Any) -> str:
    """The text of a thought: of a field's value, of a block, or of a part."""
    if isinstance(thought, str):
        return thought
    if isinstance(thought, list):
        return "".join(map(_text_of, cast("list[Any]", thought)))
    if isinstance(thought, Mapping):
        fields = cast("Mapping[str, Any]", thought)
        return next((text for name in _TEXTS if (text := _text_of(fields.get(name)))), "")
    return ""
