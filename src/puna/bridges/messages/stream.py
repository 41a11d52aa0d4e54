"""Converts the chunks of a chat stream to the events of a Messages stream.

Anthropic's blocks never overlap; chat's tool calls may. State: at most one block is open, and the
call that began first may be the open one. Its arguments and the texts before it are sent as they
come. Texts, thinking blocks and calls that come while a call is open are buffered, and sent as
whole blocks at the end. Where a host's own blocks do not overlap, its `block_order`
(`bridges/block_order.py`) shows that the open call is complete, so nothing is buffered. Invariants:
`message_start` is first, each block is closed before the next, `message_stop` is last. Source:
Anthropic API reference, "Streaming messages".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from puna.bridges.block_order import BLOCK_ORDER, TEXT, THINKING, read_order, split_text
from puna.bridges.messages.open_blocks import Blocks, Event, OpenCall, json_delta
from puna.bridges.messages.reply import (
    content_of,
    message_head,
    messages_only_fields,
    stop_reason_fields,
    usage_of,
)
from puna.bridges.messages.request import MessagesRequest
from puna.bridges.reasoning import reasoning_of, thinking_blocks_of
from puna.types.chat import ChatCompletionChunk, ChunkChoice, Delta, DeltaToolCall
from puna.types.common import Usage

_FIRST = 0  # the choice that is bridged: the Messages API has no others


class MessageStream:
    """Converts one stream: `add` each chunk, then `finish`; both give the events to send.

    The type of an event is in its field `type`.
    """

    def __init__(self, request: MessagesRequest) -> None:
        self._request = request
        self._blocks = Blocks()
        self._has_begun = False
        self._calls: dict[int, OpenCall] = {}
        self._open_call: OpenCall | None = None
        self._sent: set[int] = set()
        self._delayed_texts: dict[str, list[str]] = {}
        self._delayed_blocks: list[dict[str, Any]] = []
        self._finish_reason: str | None = None
        self._matched: object = None
        self._is_refusal = False
        self._usage: Usage | None = None
        self._messages_only: dict[str, Any] = {}

    def add(self, chunk: ChatCompletionChunk) -> list[Event]:
        """Convert the next chunk to events; the first chunk also begins the message."""
        events = [] if self._has_begun else self._begin(chunk)
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices:
            if choice.index == _FIRST:
                events += self._add_choice(choice)
        return events

    @property
    def open_text(self) -> int | None:
        """The index of the open text block, if more text would be added to it; else None.

        The fast lane writes the deltas of such a text itself.
        """
        return self._blocks.open_text if self._has_begun and self._open_call is None else None

    @property
    def has_open_call(self) -> bool:
        """Whether a call's arguments are sent as they come; then the fast lane may write them."""
        return self._open_call is not None

    def open_call(self, index: int) -> int | None:
        """The index of the block that the next piece of a call's arguments is added to.

        `index` is the place of the call among those of the answer. None where the piece needs
        `add`: it is another call's, or no object has begun yet.
        """
        call = self._open_call
        if call is None or call is not self._calls.get(index) or not call.is_sent:
            return None
        return self._blocks.index

    def finish(self, usage: Usage | None = None) -> list[Event]:
        """The last events: buffered blocks, stop reason, usage.

        `usage` is the report's, for a stream in which no chunk had one.
        """
        if not self._has_begun:
            return []
        stop = stop_reason_fields(
            self._request, self._finish_reason, self._matched, is_refusal=self._is_refusal
        )
        return [
            *self._emit_delayed(),
            {
                "type": "message_delta",
                "delta": stop,
                "usage": usage_of(self._usage or usage),
                **self._messages_only,
            },
            {"type": "message_stop"},
        ]

    def _begin(self, chunk: ChatCompletionChunk) -> list[Event]:
        """The events that begin the message."""
        self._has_begun = True
        message = message_head(self._request, chunk.id, chunk.model)
        return [{"type": "message_start", "message": message}, {"type": "ping"}]

    def _add_choice(self, choice: ChunkChoice) -> Iterator[Event]:
        """The events for the first choice of a chunk."""
        delta = choice.delta
        self._finish_reason = choice.finish_reason or self._finish_reason
        self._matched = (choice.model_extra or {}).get("stop_reason", self._matched)
        self._is_refusal = self._is_refusal or bool(delta.refusal)
        self._messages_only |= messages_only_fields(delta)
        if holds_whole_answer(delta):
            for block in content_of(self._request, delta):
                yield from self._blocks.add_whole(block)
            return
        if BLOCK_ORDER in (delta.model_extra or {}):
            # The host began its next block, so all before it are complete.
            yield from self._end_calls()
        yield from self._add_texts(delta)
        for piece in delta.tool_calls or ():
            yield from self._add_call(piece)

    def _add_texts(self, delta: Delta) -> Iterator[Event]:
        """The events for a delta's texts and thinking blocks.

        They are buffered while a call is open.
        """
        for kind, text in _texts_of(delta):
            if self._open_call is not None:
                self._delayed_texts.setdefault(kind, []).append(text)
            else:
                yield from self._blocks.add_text(kind, text)
        for block in thinking_blocks_of(delta):
            if self._open_call is not None:
                self._delayed_texts.pop(THINKING, None)  # the block says it all
                self._delayed_blocks.append(block)
            else:
                yield from self._blocks.add_thinking_block(block)

    def _add_call(self, piece: DeltaToolCall) -> Iterator[Event]:
        """The events for a piece of a call; it is buffered while another call is open."""
        call = self._calls.setdefault(piece.index, OpenCall())
        call.add(piece)
        if self._open_call is None and call.is_named and piece.index not in self._sent:
            self._open_call = call
            self._sent.add(piece.index)
            yield from self._blocks.open(call.block(self._request))
        if call is self._open_call:
            yield from self._blocks.add_delta(json_delta(call.pop_ready()))

    def _end_calls(self) -> Iterator[Event]:
        """End the open call, then emit the calls that were buffered behind it."""
        if self._open_call is not None:
            yield from self._blocks.add_delta(json_delta(self._open_call.pop_rest()))
            self._open_call = None
        for index, call in sorted(self._calls.items()):
            if index not in self._sent:
                self._sent.add(index)
                yield from self._blocks.open(call.block(self._request))
                yield from self._blocks.add_delta(json_delta(call.pop_ready() + call.pop_rest()))
        yield from self._blocks.close()

    def _emit_delayed(self) -> Iterator[Event]:
        """Emit everything that was buffered: calls, thinking blocks, texts."""
        yield from self._end_calls()
        for block in self._delayed_blocks:
            yield from self._blocks.add_whole(block)
        for kind, texts in self._delayed_texts.items():
            yield from self._blocks.add_text(kind, "".join(texts))
        yield from self._blocks.close()


def holds_whole_answer(delta: Delta) -> bool:
    """Whether a delta holds a whole answer with several blocks: the host did not stream."""
    thoughts, calls = thinking_blocks_of(delta), delta.tool_calls or ()
    if thoughts:
        says_more = bool(delta.content or delta.refusal or calls or reasoning_of(delta))
        return says_more or len(thoughts) > 1
    order = read_order((delta.model_extra or {}).get(BLOCK_ORDER))
    texts = split_text(delta.content or "", order)
    return len(order) > 1 and len(order) == len(texts) + len(calls)


def _texts_of(delta: Delta) -> Iterator[tuple[str, str]]:
    """The texts of a delta, each with the kind of its block."""
    texts = (
        (THINKING, reasoning_of(delta)),
        (TEXT, delta.content),
        ("refusal", delta.refusal),
    )
    for kind, text in texts:
        if text:
            yield kind, text
