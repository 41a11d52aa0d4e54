"""Converts the turns of a Messages request to chat messages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from puna.bridges.block_order import (
    BLOCK_ORDER,
    THINKING,
    THOUGHTS,
    TOOL_USE,
    Entry,
    is_usual_order,
)
from puna.bridges.messages.blocks import (
    Block,
    Part,
    as_content,
    list_blocks,
    read_part,
    read_text,
    read_text_part,
)
from puna.bridges.messages.plain_chat import CACHE_CONTROL, IS_ERROR
from puna.bridges.messages_only import TOOL_REFERENCE
from puna.bridges.omissions import Omissions
from puna.bridges.tool_names import alias_of
from puna.errors import BadRequestError
from puna.types.display import display, kind_of
from puna.types.messages import THINKING_BLOCKS

ChatMessage = dict[str, Any]
Placed = Iterable[tuple[str, Block]]

_READ = {
    "tool_use": ("type", "id", "name", "input"),
    "tool_result": ("type", "tool_use_id", "content", IS_ERROR, CACHE_CONTROL),
}
_DIRECT = {"type": "direct"}
"""The `caller` of a call that the model made by itself."""


def read_system(system: object, omissions: Omissions) -> list[ChatMessage]:
    """Convert `system` to a list with one system message; empty where it holds no text."""
    if system is None:
        return []
    return _read_system_turn(list_blocks(system, "system"), omissions)


def read_conversation(messages: object, omissions: Omissions) -> list[ChatMessage]:
    """Convert all turns, in order. A turn with nothing left gives no message.

    Raises:
        BadRequestError: a turn or a block is malformed; `param` is its path.
        UnsupportedParamsError: chat has no such block, and `drop_params` is not set.
    """
    if not isinstance(messages, list) or not messages:
        raise BadRequestError(
            '`messages` must be a non-empty list such as [{"role": "user", "content": "Hello"}].',
            param="messages",
        )
    return [
        message
        for i, turn in enumerate(cast("list[Any]", messages))
        for message in _read_turn(turn, f"messages[{i}]", omissions)
    ]


def image_paths(messages: object) -> tuple[str, ...]:
    """The path of each image in the turns, in the order of the chat messages.

    Errors about images use it.
    """
    paths: list[str] = []
    for i, turn in enumerate(cast("list[Any]", messages) if isinstance(messages, list) else ()):
        content = turn.get("content") if isinstance(turn, Mapping) else None
        if not isinstance(content, list):
            continue
        results: list[str] = []
        others: list[str] = []
        for j, block in enumerate(cast("list[Any]", content)):
            path = f"messages[{i}].content[{j}]"
            kind = block.get("type") if isinstance(block, Mapping) else None
            if kind == "image":
                others.append(path)
            inner = block.get("content") if kind == "tool_result" else None
            for k, part in enumerate(cast("list[Any]", inner) if isinstance(inner, list) else ()):
                if isinstance(part, Mapping) and part.get("type") == "image":
                    results.append(f"{path}.content[{k}]")
        paths += [*results, *others]
    return tuple(paths)


def _read_turn(turn: object, path: str, omissions: Omissions) -> list[ChatMessage]:
    """Convert one turn, by its role, to chat messages."""
    if not isinstance(turn, Mapping):
        raise BadRequestError(
            f"`{path}` must be an object with `role` and `content`, not {kind_of(turn)}.",
            param=path,
        )
    given = cast("Mapping[str, Any]", turn)
    role = given.get("role")
    readers = {
        "user": _read_user_turn,
        "assistant": _read_assistant_turn,
        "system": _read_system_turn,
    }
    if not isinstance(role, str) or role not in readers:
        raise BadRequestError(
            f"`{path}.role` must be user, assistant or system, not `{display(role)}`.",
            param=f"{path}.role",
        )
    return readers[role](list_blocks(given.get("content"), f"{path}.content"), omissions)


def _read_system_turn(blocks: Placed, omissions: Omissions) -> list[ChatMessage]:
    """Convert a system turn to a message; none where it holds no text."""
    parts = [read_part(block, path, omissions) for path, block in blocks]
    content = as_content([part for part in parts if part is not None])
    return [{"role": "system", "content": content}] if content else []


def _read_assistant_turn(blocks: Placed, omissions: Omissions) -> list[ChatMessage]:
    """Convert an assistant turn to a message with its reasoning, texts and calls.

    Blocks of tools that the host itself ran are left out.
    """
    thoughts: list[Block] = []
    texts: list[Part] = []
    calls: list[dict[str, Any]] = []
    order: list[Entry] = []
    for path, block in blocks:
        kind = block["type"]
        if kind == "text":
            part = read_text_part(block, path)
            texts += [part] if part["text"] else []
            order += [len(part["text"])] if part["text"] else []
        elif kind == "tool_use":
            calls.append(_convert_call(block, path))
            order.append(TOOL_USE)
            _note_unknown_fields(block, omissions)
        elif kind in THOUGHTS:
            thoughts.append(dict(block))
            order.append(THINKING)
        else:
            omissions.note(f"messages.{kind}")
    if not order:
        return []
    message: ChatMessage = {"role": "assistant", "content": as_content(texts) or None}
    if calls:
        message["tool_calls"] = calls
    if thoughts:
        message[THINKING_BLOCKS] = thoughts
    if not is_usual_order(order, most_texts=len(texts)):
        message[BLOCK_ORDER] = order
    return [message]


def _convert_call(block: Block, path: str) -> dict[str, Any]:
    """Convert a `tool_use` block to a tool call."""
    given = block.get("input", {})
    if not isinstance(given, Mapping):
        raise BadRequestError(
            f"`{path}.input` must be an object, not {kind_of(given)}.", param=f"{path}.input"
        )
    arguments = json.dumps(given, ensure_ascii=False, separators=(",", ":"))
    name = alias_of(read_text(block, path, "name"))
    return {
        "id": read_text(block, path, "id"),
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _read_user_turn(blocks: Placed, omissions: Omissions) -> list[ChatMessage]:
    """Convert a user turn to messages.

    First the tool results, which must follow their calls, then one message with the rest.
    """
    results: list[ChatMessage] = []
    parts: list[Part] = []
    for path, block in blocks:
        if block["type"] == "tool_result":
            results.append(_convert_result(block, path, omissions))
            continue
        part = read_part(block, path, omissions)
        if part is not None:
            parts.append(part)
    content = as_content(parts)
    return [*results, {"role": "user", "content": content}] if content else results


def _convert_result(block: Block, path: str, omissions: Omissions) -> ChatMessage:
    """Convert a tool result to a tool message.

    Images are kept, and moved later for hosts that read none.
    """
    parts: list[Part] = []
    content = block.get("content")
    for place, inner in list_blocks("" if content is None else content, f"{path}.content"):
        if inner["type"] == TOOL_REFERENCE:
            parts.append({**inner, "tool_name": read_text(inner, place, "tool_name")})
        elif (part := read_part(inner, place, omissions)) is not None:
            parts.append(part)
    message: ChatMessage = {
        "role": "tool",
        "tool_call_id": read_text(block, path, "tool_use_id"),
        "content": as_content(parts),
    }
    for name in (IS_ERROR, CACHE_CONTROL):
        if block.get(name) is not None:
            message[name] = block[name]
    _note_unknown_fields(block, omissions)
    return message


def _note_unknown_fields(block: Block, omissions: Omissions) -> None:
    """Report the fields of a call or a result that chat does not have."""
    for name, value in block.items():
        is_told = value is not None and name not in _READ[block["type"]]
        if is_told and not (name == "caller" and value == _DIRECT):
            omissions.note(name if name == CACHE_CONTROL else f"messages.{name}")
