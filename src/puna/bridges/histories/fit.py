"""Applies all rules of a host to the messages of a conversation, in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from puna.bridges.histories.calls import calls_as_text, fit_arguments
from puna.bridges.histories.contents import fit_content, move_images
from puna.bridges.histories.order import order_messages
from puna.bridges.histories.rules import MessageRules
from puna.bridges.histories.systems import fit_systems
from puna.bridges.histories.thoughts import fit_thoughts

Message = dict[str, Any]
Dropped = dict[str, None]

_PLAIN_FIELDS = 2
"""A role and a content."""


def fit_history(
    messages: Sequence[Message], rules: MessageRules, dropped: Dropped, *, has_tools: bool = True
) -> Sequence[Message]:
    """Fit the messages of a request to a host's rules; the same object if nothing changes.

    Called for each attempt, because each deployment may have other rules.

    Args:
        messages: chat messages, already checked.
        rules: what the host accepts.
        dropped: gets the name of whatever is left out or replaced, for the report. What only moves,
            changes its role or gets another id is not named.
        has_tools: whether the request offers tools.
    """
    if all(map(_is_plain, messages)) and (
        rules.systems == "anywhere"
        or not any(message["role"] == "system" for message in messages[1:])
    ):
        return messages
    prepared = [_prepare(message, rules, dropped) for message in messages]
    ordered = order_messages(prepared, rules.call_ids, dropped)
    if rules.calls_need_tools and not has_tools:
        ordered = calls_as_text(ordered, dropped)
    if not rules.reads_result_images:
        ordered = move_images(ordered)
    placed = fit_systems(ordered, rules, dropped)
    fitted = [fit_content(message, rules, dropped) for message in placed]
    kept = [message for message in fitted if message is not None]
    if all(a is b for a, b in zip(kept, messages, strict=False)) and len(kept) == len(messages):
        return messages
    return kept or messages[-1:]


def _is_plain(message: Message) -> bool:
    """Whether a message is a plain text that no rule can change."""
    content = message.get("content")
    return (
        len(message) == _PLAIN_FIELDS
        and type(content) is str
        and bool(content.strip())
        and message["role"] not in ("developer", "tool", "function")
    )


def _prepare(message: Message, rules: MessageRules, dropped: Dropped) -> Message:
    """Fit the reasoning and the arguments of calls in an assistant message.

    Others stay as they are.
    """
    if message["role"] != "assistant":
        return message
    message = fit_thoughts(message, rules.thoughts, dropped)
    if "tool_calls" in message:
        message = fit_arguments(message, dropped, accepts_any=rules.accepts_any_arguments)
    return message
