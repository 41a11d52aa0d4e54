"""What a chat request carries for a host that speaks the Messages API, taken out for all others.

Thinking blocks may stand in any chat request, for an answer has them; the rest only in one that
came in the Messages shape. What is taken out is told by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from puna.bridges.block_order import BLOCK_ORDER
from puna.bridges.messages.blocks import join_parts
from puna.types.messages import THINKING_BLOCKS
from puna.types.messages_extras import MessagesExtras

Message = dict[str, Any]

CACHE_CONTROL = "cache_control"
IS_ERROR = "is_error"

_ERROR = "Error: "
_THINKING = "messages.thinking"
_BLOCK_FIELDS = (THINKING_BLOCKS, BLOCK_ORDER)
_SAYS = ("content", "tool_calls", "function_call", "refusal", "audio")
_TOOL_FIELDS = ("type", "function")
_OUTPUT_CONFIG = "output_config"


def without_thinking(messages: Sequence[Message]) -> tuple[Sequence[Message], tuple[str, ...]]:
    """The messages without thinking blocks; one that holds nothing else is left out."""
    if not any(THINKING_BLOCKS in message or BLOCK_ORDER in message for message in messages):
        return messages, ()
    has_thoughts = any(THINKING_BLOCKS in message for message in messages)
    kept = [
        {name: value for name, value in message.items() if name not in _BLOCK_FIELDS}
        for message in messages
    ]
    said = [message for message in kept if any(name in message for name in _SAYS)]
    return said, (_THINKING,) if has_thoughts else ()


def plain_messages(messages: Sequence[Message]) -> tuple[Sequence[Message], tuple[str, ...]]:
    """The messages of a request that came in the Messages shape, in chat's own words.

    Parts lose the fields that chat does not have; texts alone become one string, which every host
    reads. A tool's message holds text only.
    """
    found: dict[str, None] = {}
    return [_plain_message(message, found) for message in messages], tuple(found)


def plain_tools(tools: Sequence[Any]) -> tuple[list[Any], tuple[str, ...]]:
    """The same for its tools."""
    found: dict[str, None] = {}
    plain: list[Any] = []
    for tool in tools:
        for name in tool:
            if name not in _TOOL_FIELDS:
                found[name if name == CACHE_CONTROL else f"tools.{name}"] = None
        plain.append({name: tool[name] for name in _TOOL_FIELDS if name in tool})
    return plain, tuple(found)


def names_of(extras: MessagesExtras) -> tuple[str, ...]:
    """What a host of another protocol is not told of the request itself."""
    names: list[str] = []
    for name, value in extras.fields.items():
        if name == _OUTPUT_CONFIG:
            names += [f"{name}.{inner}" for inner in value]
        elif name != "thinking" or value.get("type") != "disabled":
            names.append(name)
    return tuple(names)


def _plain_message(message: Message, found: dict[str, None]) -> Message:
    content = message.get("content")
    is_marked = CACHE_CONTROL in message or IS_ERROR in message
    if not is_marked and not isinstance(content, list):
        return message
    plain = {k: v for k, v in message.items() if k not in (CACHE_CONTROL, IS_ERROR)}
    if CACHE_CONTROL in message:
        found[CACHE_CONTROL] = None
    if isinstance(content, list):
        parts = [_plain_part(part, found) for part in cast("list[Mapping[str, Any]]", content)]
        plain["content"] = join_parts(parts)
    if message.get(IS_ERROR) is True:
        plain["content"] = f"{_ERROR}{plain['content']}"  # chat has no mark for it: a word says it
    return plain


def _plain_part(part: Mapping[str, Any], found: dict[str, None]) -> dict[str, Any]:
    kept = ("type", str(part["type"]))
    for name in part:
        if name not in kept:
            found[name if name == CACHE_CONTROL else f"messages.{name}"] = None
    return {name: part[name] for name in kept}
