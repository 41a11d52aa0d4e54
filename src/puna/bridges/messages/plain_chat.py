"""Removes from a chat request what only a host of the Messages API understands.

Only a request that came in the Messages shape holds such fields. What is removed is reported by
name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from puna.bridges.messages.blocks import as_joined_content, text_part
from puna.bridges.messages_only import TOOL_REFERENCE
from puna.bridges.tool_names import alias_of
from puna.types.messages_extras import MessagesExtras

Message = dict[str, Any]

CACHE_CONTROL = "cache_control"
IS_ERROR = "is_error"

ERROR = "Error: "
BILLING = re.compile(r"\Ax-anthropic-billing-header:[^\n]*\n?")
BILLING_NAME = "system.x-anthropic-billing-header"
_OUTPUT_CONFIG = "output_config"


def plain_messages(messages: Sequence[Message]) -> tuple[Sequence[Message], tuple[str, ...]]:
    """Remove from messages what only hosts of the Messages API understand, for hosts of chat.

    Returns the messages, and the names of the fields that they lost. Content that is all text
    becomes one string, which every host reads. References to tools become text.
    """
    found: dict[str, None] = {}
    plain = [_plain_message(message, found) for message in messages]
    return [one for one in plain if one["role"] != "system" or one.get("content")], tuple(found)


def extra_names(extras: MessagesExtras) -> tuple[str, ...]:
    """The names of a request's fields outside its messages that hosts of chat do not get."""
    names: list[str] = []
    for name, value in extras.fields.items():
        if name == _OUTPUT_CONFIG:
            names += [f"{name}.{inner}" for inner in value]
        elif name != "thinking" or value.get("type") != "disabled":
            names.append(name)
    return tuple(names)


def _plain_message(message: Message, found: dict[str, None]) -> Message:
    """One message without what only hosts of the Messages API understand.

    Lost names go to `found`.
    """
    content = message.get("content")
    if message["role"] == "system":
        content = _without_billing(content, found)
    is_marked = CACHE_CONTROL in message or IS_ERROR in message
    if not is_marked and not isinstance(content, list) and content is message.get("content"):
        return message
    plain = {k: v for k, v in message.items() if k not in (CACHE_CONTROL, IS_ERROR)}
    if CACHE_CONTROL in message:
        found[CACHE_CONTROL] = None
    plain["content"] = content
    if isinstance(content, list):
        parts = [_plain_part(part, found) for part in cast("list[Mapping[str, Any]]", content)]
        plain["content"] = as_joined_content(parts)
    if message.get(IS_ERROR) is True:
        plain["content"] = _mark_error(plain["content"] or "")
    return plain


def _without_billing(content: Any, found: dict[str, None]) -> Any:
    """A system text without the billing line that Claude Code writes for its maker.

    The line differs in every request. At the head of a prompt it would defeat the hosts' prefix
    caches. Source: vllm-project/vllm 36829, anthropics/claude-code 68900.
    """
    if isinstance(content, str):
        rest = BILLING.sub("", content)
        if rest != content:
            found[BILLING_NAME] = None
        return rest
    parts = cast("list[dict[str, Any]]", content or [])
    if not any(BILLING.match(str(part.get("text"))) for part in parts):
        return content
    found[BILLING_NAME] = None
    rests = [
        {**part, "text": BILLING.sub("", part["text"])} if part["type"] == "text" else part
        for part in parts
    ]
    return [part for part in rests if part.get("text") != ""]


def _mark_error(content: Any) -> str | list[dict[str, Any]]:
    """Put a word before the result of a failed tool, since chat has no field for the failure."""
    if isinstance(content, str):
        return f"{ERROR}{content}"
    first = content[0] if content else text_part("")
    if first["type"] != "text":
        return [text_part(ERROR), *content]
    return [text_part(f"{ERROR}{first['text']}"), *content[1:]]


def _plain_part(part: Mapping[str, Any], found: dict[str, None]) -> dict[str, Any]:
    """One content part without fields that chat does not have; lost names go to `found`."""
    if part["type"] == TOOL_REFERENCE:
        return text_part(f"[the tool `{alias_of(part['tool_name'])}` is available now]")
    kept = ("type", str(part["type"]))
    for name in part:
        if name not in kept:
            found[name if name == CACHE_CONTROL else f"messages.{name}"] = None
    return {name: part[name] for name in kept}
