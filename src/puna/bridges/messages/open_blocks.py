"""Emits the blocks of a Messages stream, one after the other, and buffers tool calls for them.

At most one block is open. Opening the next one closes it, and indexes count up from 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from puna.bridges.block_order import TEXT, THINKING
from puna.bridges.messages.reply import parse_arguments, text_block, thinking_block, tool_block
from puna.bridges.messages.request import MessagesRequest
from puna.types.chat import DeltaToolCall

Event = dict[str, Any]


class Blocks:
    """Emits the events of the content blocks of one message.

    Numbers the blocks, and closes one before the next opens.
    """

    def __init__(self) -> None:
        self.index = -1
        """The index of the block that was opened last."""
        self._kind: str | None = None
        self._is_open = False

    @property
    def open_text(self) -> int | None:
        """The index of the open text block; None where no text block is open."""
        return self.index if self._is_open and self._kind == TEXT else None

    def add_text(self, kind: str, text: str) -> Iterator[Event]:
        """The events for more text of a kind (`text`, `thinking`).

        Opens a block of that kind if needed.
        """
        is_thought = kind == THINKING
        if not self._is_open or self._kind != kind:
            yield from self.open(thinking_block("") if is_thought else text_block(""), kind)
        name = THINKING if is_thought else "text"
        yield from self.add_delta({"type": f"{name}_delta", name: text})

    def add_thinking_block(self, block: dict[str, Any]) -> Iterator[Event]:
        """The events for a complete thinking block from the host.

        Where its text has been sent already, only the signature follows.
        """
        if self._is_open and self._kind == THINKING and block.get("type") == THINKING:
            yield from self.add_delta(_signature_delta(block))
            yield from self.close()
        else:
            yield from self.add_whole(block)

    def add_whole(self, block: dict[str, Any]) -> Iterator[Event]:
        """The events for a complete block: start, deltas and stop."""
        match block["type"]:
            case "text":
                yield from self.open(text_block(""))
                yield from self.add_delta({"type": "text_delta", "text": block["text"]})
            case "thinking":
                yield from self.open(thinking_block(""))
                text = block.get("thinking")
                yield from self.add_delta(
                    {"type": "thinking_delta", "thinking": text} if text else None
                )
                yield from self.add_delta(_signature_delta(block))
            case "tool_use":
                yield from self.open({**block, "input": {}})
                yield from self.add_delta(
                    json_delta(json.dumps(block["input"], ensure_ascii=False))
                )
            case _:
                yield from self.open(block)
        yield from self.close()

    def open(self, block: dict[str, Any], kind: str | None = None) -> Iterator[Event]:
        """The events that close the open block, if any, and open the given one."""
        yield from self.close()
        self.index += 1
        self._kind = kind
        self._is_open = True
        yield {"type": "content_block_start", "index": self.index, "content_block": block}

    def add_delta(self, delta: dict[str, Any] | None) -> Iterator[Event]:
        """The event for a delta of the open block; nothing for None."""
        if delta is not None:
            yield {"type": "content_block_delta", "index": self.index, "delta": delta}

    def close(self) -> Iterator[Event]:
        """The event that closes the open block; nothing if none is open."""
        if self._is_open:
            self._is_open = False
            yield {"type": "content_block_stop", "index": self.index}


class OpenCall:
    """Buffers a tool call that is still streaming, and decides which of its arguments may be sent.

    Clients parse the arguments after every piece. So nothing is sent before a JSON object begins,
    and arguments that turn out to be no object are sent at the end, wrapped into one.
    """

    def __init__(self) -> None:
        self._id: str | None = None
        self._name: str | None = None
        self._unsent: list[str] = []
        self._is_object: bool | None = None

    @property
    def is_named(self) -> bool:
        """Whether id and name are known, so that its block can begin."""
        return bool(self._id and self._name)

    @property
    def is_sent(self) -> bool:
        """Whether each further piece of its arguments may be sent at once."""
        return self._is_object is True and not self._unsent

    def add(self, piece: DeltaToolCall) -> None:
        """Add a piece of the call from a chat chunk."""
        self._id = piece.id or self._id
        if piece.function is None:
            return
        self._name = piece.function.name or self._name
        text = piece.function.arguments
        if text:
            self._unsent.append(text)
            if self._is_object is None and text.strip():
                self._is_object = text.lstrip().startswith("{")

    def block(self, request: MessagesRequest) -> dict[str, Any]:
        """The call as a `tool_use` block with empty input, to open the block with."""
        return tool_block(request, self._id, self._name, {})

    def pop_ready(self) -> str:
        """Remove the arguments that can be sent now from the buffer, and return them."""
        return self._pop_all() if self._is_object else ""

    def pop_rest(self) -> str:
        """Return the remaining arguments, when the call is complete."""
        text = self._pop_all()
        if self._is_object:
            return text
        return json.dumps(parse_arguments(text), ensure_ascii=False)

    def _pop_all(self) -> str:
        """Empty the buffer and return what was in it."""
        text = "".join(self._unsent)
        self._unsent = []
        return text


def json_delta(text: str) -> dict[str, Any] | None:
    """The delta for a piece of a call's arguments; None for an empty piece."""
    return {"type": "input_json_delta", "partial_json": text} if text else None


def _signature_delta(block: Mapping[str, Any]) -> dict[str, Any] | None:
    """The delta with a thinking block's signature; None without one."""
    signature = block.get("signature")
    return {"type": "signature_delta", "signature": signature} if signature else None
