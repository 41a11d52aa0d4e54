"""The blocks of a Messages stream, opened and closed one after the other; calls under way."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from puna.bridges.block_order import TEXT, THINKING
from puna.bridges.messages.reply import read_arguments, text_block, thinking_block, tool_block
from puna.bridges.messages.request import MessagesRequest
from puna.types.chat import DeltaToolCall

Event = dict[str, Any]


class Blocks:
    """Numbers the blocks, and closes one before the next opens."""

    def __init__(self) -> None:
        self._index = -1
        self._kind: str | None = None
        self._is_open = False

    @property
    def open_text(self) -> int | None:
        """The number of the open block of text; None where none is open."""
        return self._index if self._is_open and self._kind == TEXT else None

    def say(self, kind: str, text: str) -> Iterator[Event]:
        """A piece of a text; it opens a block where none of its kind is open."""
        is_thought = kind == THINKING
        if not self._is_open or self._kind != kind:
            yield from self.open(thinking_block("") if is_thought else text_block(""), kind)
        name = THINKING if is_thought else "text"
        yield from self.add({"type": f"{name}_delta", name: text})

    def seal(self, block: dict[str, Any]) -> Iterator[Event]:
        """A thinking block as its host gave it. Its text may have come already."""
        if self._is_open and self._kind == THINKING and block.get("type") == THINKING:
            yield from self.add(_signature_delta(block))
            yield from self.close()
        else:
            yield from self.whole(block)

    def whole(self, block: dict[str, Any]) -> Iterator[Event]:
        """A block at once."""
        match block["type"]:
            case "text":
                yield from self.open(text_block(""))
                yield from self.add({"type": "text_delta", "text": block["text"]})
            case "thinking":
                yield from self.open(thinking_block(""))
                text = block.get("thinking")
                yield from self.add({"type": "thinking_delta", "thinking": text} if text else None)
                yield from self.add(_signature_delta(block))
            case "tool_use":
                yield from self.open({**block, "input": {}})
                yield from self.add(json_delta(json.dumps(block["input"], ensure_ascii=False)))
            case _:
                yield from self.open(block)
        yield from self.close()

    def open(self, block: dict[str, Any], kind: str | None = None) -> Iterator[Event]:
        """Begin the next block."""
        yield from self.close()
        self._index += 1
        self._kind = kind
        self._is_open = True
        yield {"type": "content_block_start", "index": self._index, "content_block": block}

    def add(self, delta: dict[str, Any] | None) -> Iterator[Event]:
        """A piece of the open block."""
        if delta is not None:
            yield {"type": "content_block_delta", "index": self._index, "delta": delta}

    def close(self) -> Iterator[Event]:
        """End the open block, if one is."""
        if self._is_open:
            self._is_open = False
            yield {"type": "content_block_stop", "index": self._index}


class CallUnderWay:
    """A tool call under way, and which of its arguments may go out.

    Clients parse what they have after every piece: nothing goes out before an object has begun, and
    what turns out to be none is sent at the end as the object that stands for it.
    """

    def __init__(self) -> None:
        self._id: str | None = None
        self._name: str | None = None
        self._waiting: list[str] = []
        self._is_object: bool | None = None

    @property
    def is_named(self) -> bool:
        """Whether its block can begin."""
        return bool(self._id and self._name)

    def add(self, piece: DeltaToolCall) -> None:
        """Take a piece."""
        self._id = piece.id or self._id
        if piece.function is None:
            return
        self._name = piece.function.name or self._name
        text = piece.function.arguments
        if text:
            self._waiting.append(text)
            if self._is_object is None and text.strip():
                self._is_object = text.lstrip().startswith("{")

    def block(self, request: MessagesRequest) -> dict[str, Any]:
        """Its block, still empty."""
        return tool_block(request, self._id, self._name, {})

    def take(self) -> str:
        """The arguments that may go out now."""
        return self._flush() if self._is_object else ""

    def rest(self) -> str:
        """What is left at the end."""
        text = self._flush()
        if self._is_object:
            return text
        return json.dumps(read_arguments(text), ensure_ascii=False)

    def _flush(self) -> str:
        text = "".join(self._waiting)
        self._waiting = []
        return text


def json_delta(text: str) -> dict[str, Any] | None:
    """A piece of a call's arguments; None for an empty one."""
    return {"type": "input_json_delta", "partial_json": text} if text else None


def _signature_delta(block: Mapping[str, Any]) -> dict[str, Any] | None:
    signature = block.get("signature")
    return {"type": "signature_delta", "signature": signature} if signature else None
