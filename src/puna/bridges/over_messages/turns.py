"""Converts chat messages to the turns of a Messages request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from puna.bridges.block_order import BLOCK_ORDER, put_in_order, read_order, split_text
from puna.bridges.call_arguments import parse_call_arguments
from puna.bridges.omissions import Omissions
from puna.bridges.over_messages.parts import Block, as_content, blocks_of, text_block
from puna.errors import BadRequestError
from puna.types.messages import THINKING_BLOCKS

Turn = dict[str, Any]
Message = Mapping[str, Any]

_SYSTEM_ROLES = ("system", "developer")
_KNOWN = {
    "system": ("role", "content"),
    "developer": ("role", "content"),
    "user": ("role", "content"),
    "tool": ("role", "content", "tool_call_id", "cache_control", "is_error"),
    "assistant": ("role", "content", "refusal", "tool_calls", THINKING_BLOCKS, BLOCK_ORDER),
}
_BESIDE_RESULT = ("cache_control", "is_error")
_SIGNED = {"thinking": "signature", "redacted_thinking": "data"}
"""Blocks of thinking, and what makes them valid to their host."""


def split_system(messages: Sequence[Message], omissions: Omissions) -> tuple[list[Block], int]:
    """Convert the leading system messages to blocks.

    Returns them, and how many messages these are.
    """
    blocks: list[Block] = []
    for i, message in enumerate(messages):
        if message["role"] not in _SYSTEM_ROLES:
            return blocks, i
        _note_unknown(message, omissions)
        blocks += blocks_of(message.get("content"), f"messages[{i}].content", omissions)
    return blocks, len(messages)


def turns_of(messages: Sequence[Message], begin: int, omissions: Omissions) -> list[Turn]:
    """Convert the messages from index `begin` on to turns. One without content gives no turn.

    Tool results and the user message after them become one turn, as the API requires.

    Raises:
        BadRequestError: a message or a part of it is malformed; `param` is its path.
        UnsupportedParamsError: it cannot be sent, and `drop_params` is not set.
    """
    turns: list[Turn] = []
    is_open = False
    """Whether the last turn holds results only, and more may join them."""
    for i, message in enumerate(messages[begin:], begin):
        role, path = message["role"], f"messages[{i}]"
        if role not in _KNOWN:
            raise BadRequestError(
                f"`{path}.role` is `{role}`, which the Messages API has not; use `tool` for the "
                "result of a call.",
                param=f"{path}.role",
            )
        _note_unknown(message, omissions)
        blocks = _turn_blocks(message, path, omissions)
        if not blocks:
            continue
        its_role = {"tool": "user", "developer": "system"}.get(role, role)
        if is_open and its_role == "user":
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": its_role, "content": blocks})
        is_open = role == "tool"
    return [{**turn, "content": as_content(turn["content"])} for turn in turns]


def _turn_blocks(message: Message, path: str, omissions: Omissions) -> list[Block]:
    """Convert a user, assistant or tool message to blocks."""
    if message["role"] == "tool":
        return [_result_block(message, path, omissions)]
    if message["role"] == "assistant":
        return _assistant_blocks(message, path, omissions)
    return blocks_of(message.get("content"), f"{path}.content", omissions)


def _result_block(message: Message, path: str, omissions: Omissions) -> Block:
    """Convert a tool message to a `tool_result` block."""
    blocks = blocks_of(message.get("content"), f"{path}.content", omissions)
    return {
        "type": "tool_result",
        "tool_use_id": message["tool_call_id"],
        **({"content": as_content(blocks)} if blocks else {}),
        **{name: message[name] for name in _BESIDE_RESULT if name in message},
    }


def _assistant_blocks(message: Message, path: str, omissions: Omissions) -> list[Block]:
    """Convert an assistant message to blocks.

    Reasoning, texts and calls, in their recorded order.
    """
    order = read_order(message.get(BLOCK_ORDER))
    content = message.get("content")
    if isinstance(content, str):
        texts = [text_block(text) for text in split_text(content, order)]
    else:
        texts = blocks_of(content, f"{path}.content", omissions)
    if message.get("refusal"):
        texts.append(text_block(message["refusal"]))
    calls = [
        _call_block(call, f"{path}.tool_calls[{i}]")
        for i, call in enumerate(message.get("tool_calls", ()))
    ]
    thoughts: list[Block] = []
    for block in message.get(THINKING_BLOCKS, ()):
        if block.get(_SIGNED.get(str(block.get("type")), "")):
            thoughts.append(block)
        else:
            omissions.note("messages.thinking")  # unsigned: its host would refuse the request
    return put_in_order(order, thoughts, texts, calls)


def _call_block(call: Message, path: str) -> Block:
    """Convert a tool call to a `tool_use` block.

    Raises BadRequestError for arguments that are no object.
    """
    function = call["function"]
    arguments = parse_call_arguments(function.get("arguments"))
    if arguments is None:
        raise BadRequestError(
            f"`{path}.function.arguments` must be a JSON object as text.",
            param=f"{path}.function.arguments",
        )
    return {
        "type": "tool_use",
        "id": call.get("id", ""),
        "name": function.get("name", ""),
        "input": arguments,
    }


def _note_unknown(message: Message, omissions: Omissions) -> None:
    """Report the fields of a message that the API does not have."""
    for name in message:
        if name not in _KNOWN[message["role"]]:
            omissions.note(f"messages[].{name}")
