"""The chunks of a chat stream as the events of a Messages stream.

Anthropic's blocks never overlap, chat's tool calls may. So what a block of text says goes out as it
comes, and so do the arguments of the call that began first; whatever comes for another block from
then on waits for the end, when every block is sent whole. Source: Anthropic API reference,
"Streaming messages".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from puna.bridges.messages.reply import (
    message_head,
    read_arguments,
    stop_of,
    text_block,
    thinking_block,
    thinking_in,
    tool_block,
    usage_of,
)
from puna.bridges.messages.request import MessagesRequest
from puna.types.chat import ChatCompletionChunk, ChunkChoice, Delta, DeltaToolCall
from puna.types.common import Usage

Event = dict[str, Any]

_FIRST = 0  # the choice that is bridged: the Messages API has no others


class MessageStream:
    """Takes chunks one by one, gives events. Their names are in `type`."""

    def __init__(self, request: MessagesRequest) -> None:
        self._request = request
        self._blocks = _Blocks()
        self._has_begun = False
        self._calls: dict[int, _Call] = {}
        self._live: _Call | None = None
        self._late: dict[str, list[str]] = {}
        self._finish_reason: str | None = None
        self._matched: Any = None
        self._is_refusal = False
        self._usage: Usage | None = None

    def add(self, chunk: ChatCompletionChunk) -> list[Event]:
        """The events of the next chunk."""
        events = [] if self._has_begun else self._begin(chunk)
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices:
            if choice.index == _FIRST:
                events += self._take(choice)
        return events

    def finish(self, usage: Usage | None = None) -> list[Event]:
        """The last events. `usage` counts where no chunk told it."""
        if not self._has_begun:
            return []
        stop = stop_of(
            self._request, self._finish_reason, self._matched, is_refusal=self._is_refusal
        )
        return [
            *self._rest(),
            {"type": "message_delta", "delta": stop, "usage": usage_of(self._usage or usage)},
            {"type": "message_stop"},
        ]

    def _begin(self, chunk: ChatCompletionChunk) -> list[Event]:
        self._has_begun = True
        message = message_head(chunk.id, chunk.model)
        return [{"type": "message_start", "message": message}, {"type": "ping"}]

    def _take(self, choice: ChunkChoice) -> Iterator[Event]:
        delta = choice.delta
        self._finish_reason = choice.finish_reason or self._finish_reason
        self._matched = (choice.model_extra or {}).get("stop_reason", self._matched)
        self._is_refusal = self._is_refusal or bool(delta.refusal)
        for kind, text in _spoken(delta):
            if self._live is not None:
                self._late.setdefault(kind, []).append(text)
            else:
                yield from self._blocks.say(kind, text)
        for piece in delta.tool_calls or ():
            yield from self._take_call(piece)

    def _take_call(self, piece: DeltaToolCall) -> Iterator[Event]:
        call = self._calls.setdefault(piece.index, _Call())
        call.add(piece)
        if self._live is None and call.is_named:
            self._live = call
            yield from self._blocks.open(call.block(self._request))
        if call is self._live:
            yield from self._blocks.add(_json_delta(call.take()))

    def _rest(self) -> Iterator[Event]:
        """What waited: the end of the open block, then the other blocks whole."""
        if self._live is not None:
            yield from self._blocks.add(_json_delta(self._live.rest()))
        for _, call in sorted(self._calls.items()):
            if call is not self._live:
                yield from self._blocks.open(call.block(self._request))
                yield from self._blocks.add(_json_delta(call.take() + call.rest()))
        for kind, texts in self._late.items():
            yield from self._blocks.say(kind, "".join(texts))
        yield from self._blocks.close()


class _Blocks:
    """Numbers the blocks, and closes one before the next opens."""

    def __init__(self) -> None:
        self._index = -1
        self._kind: str | None = None
        self._is_open = False

    def say(self, kind: str, text: str) -> Iterator[Event]:
        """A piece of a text; it opens a block where none of its kind is open."""
        is_thought = kind == "thinking"
        if not self._is_open or self._kind != kind:
            yield from self.open(thinking_block("") if is_thought else text_block(""), kind)
        name = "thinking" if is_thought else "text"
        yield from self.add({"type": f"{name}_delta", name: text})

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


class _Call:
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


def _json_delta(text: str) -> dict[str, Any] | None:
    return {"type": "input_json_delta", "partial_json": text} if text else None


def _spoken(delta: Delta) -> Iterator[tuple[str, str]]:
    """The texts of a delta, each with the kind of block that holds it."""
    texts = (
        ("thinking", thinking_in(delta)),
        ("text", delta.content),
        ("refusal", delta.refusal),
    )
    for kind, text in texts:
        if text:
            yield kind, text
