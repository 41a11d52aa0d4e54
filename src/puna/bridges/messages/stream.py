"""The chunks of a chat stream as the events of a Messages stream.

Anthropic's blocks never overlap, chat's tool calls may. So what a block of text says goes out as it
comes, and so do the arguments of the call that began first; whatever comes for another block from
then on waits for the end, when every block is sent whole. Where a host's own blocks do not overlap
either, their order says so (`bridges/block_order.py`), and nothing waits. Source: Anthropic API
reference, "Streaming messages".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from puna.bridges.block_order import BLOCK_ORDER, TEXT, THINKING, cut_text, read_order
from puna.bridges.messages.blocks_under_way import Blocks, CallUnderWay, Event, json_delta
from puna.bridges.messages.reply import beyond_chat, content_of, message_head, stop_of, usage_of
from puna.bridges.messages.request import MessagesRequest
from puna.bridges.reasoning import reasoning_of, thinking_blocks_of
from puna.types.chat import ChatCompletionChunk, ChunkChoice, Delta, DeltaToolCall
from puna.types.common import Usage

_FIRST = 0  # the choice that is bridged: the Messages API has no others


class MessageStream:
    """Takes chunks one by one, gives events. Their names are in `type`."""

    def __init__(self, request: MessagesRequest) -> None:
        self._request = request
        self._blocks = Blocks()
        self._has_begun = False
        self._calls: dict[int, CallUnderWay] = {}
        self._live: CallUnderWay | None = None
        self._sent: set[int] = set()
        self._late: dict[str, list[str]] = {}
        self._late_blocks: list[dict[str, Any]] = []
        self._finish_reason: str | None = None
        self._matched: object = None
        self._is_refusal = False
        self._usage: Usage | None = None
        self._beyond: dict[str, Any] = {}

    def add(self, chunk: ChatCompletionChunk) -> list[Event]:
        """The events of the next chunk."""
        events = [] if self._has_begun else self._begin(chunk)
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices:
            if choice.index == _FIRST:
                events += self._take(choice)
        return events

    @property
    def open_text(self) -> int | None:
        """The number of the block that the next piece of text is added to; None where none is."""
        return self._blocks.open_text if self._has_begun and self._live is None else None

    def finish(self, usage: Usage | None = None) -> list[Event]:
        """The last events. `usage` is used where no chunk held it."""
        if not self._has_begun:
            return []
        stop = stop_of(
            self._request, self._finish_reason, self._matched, is_refusal=self._is_refusal
        )
        return [
            *self._rest(),
            {
                "type": "message_delta",
                "delta": stop,
                "usage": usage_of(self._usage or usage),
                **self._beyond,
            },
            {"type": "message_stop"},
        ]

    def _begin(self, chunk: ChatCompletionChunk) -> list[Event]:
        self._has_begun = True
        message = message_head(self._request, chunk.id, chunk.model)
        return [{"type": "message_start", "message": message}, {"type": "ping"}]

    def _take(self, choice: ChunkChoice) -> Iterator[Event]:
        delta = choice.delta
        self._finish_reason = choice.finish_reason or self._finish_reason
        self._matched = (choice.model_extra or {}).get("stop_reason", self._matched)
        self._is_refusal = self._is_refusal or bool(delta.refusal)
        self._beyond |= beyond_chat(delta)
        if is_whole(delta):
            for block in content_of(self._request, delta):
                yield from self._blocks.whole(block)
            return
        if BLOCK_ORDER in (delta.model_extra or {}):
            # The host began its next block, so all before it are complete.
            yield from self._end_calls()
        yield from self._take_texts(delta)
        for piece in delta.tool_calls or ():
            yield from self._take_call(piece)

    def _take_texts(self, delta: Delta) -> Iterator[Event]:
        for kind, text in _spoken(delta):
            if self._live is not None:
                self._late.setdefault(kind, []).append(text)
            else:
                yield from self._blocks.say(kind, text)
        for block in thinking_blocks_of(delta):
            if self._live is not None:
                self._late.pop(THINKING, None)  # the block says it all
                self._late_blocks.append(block)
            else:
                yield from self._blocks.seal(block)

    def _take_call(self, piece: DeltaToolCall) -> Iterator[Event]:
        call = self._calls.setdefault(piece.index, CallUnderWay())
        call.add(piece)
        if self._live is None and call.is_named and piece.index not in self._sent:
            self._live = call
            self._sent.add(piece.index)
            yield from self._blocks.open(call.block(self._request))
        if call is self._live:
            yield from self._blocks.add(json_delta(call.take()))

    def _end_calls(self) -> Iterator[Event]:
        """The end of the open block, then the calls that waited for it, whole."""
        if self._live is not None:
            yield from self._blocks.add(json_delta(self._live.rest()))
            self._live = None
        for index, call in sorted(self._calls.items()):
            if index not in self._sent:
                self._sent.add(index)
                yield from self._blocks.open(call.block(self._request))
                yield from self._blocks.add(json_delta(call.take() + call.rest()))
        yield from self._blocks.close()

    def _rest(self) -> Iterator[Event]:
        """What waited: calls, then the other blocks whole."""
        yield from self._end_calls()
        for block in self._late_blocks:
            yield from self._blocks.whole(block)
        for kind, texts in self._late.items():
            yield from self._blocks.say(kind, "".join(texts))
        yield from self._blocks.close()


def is_whole(delta: Delta) -> bool:
    """Whether a delta holds blocks of several kinds: a whole answer that came as one chunk."""
    thoughts, calls = thinking_blocks_of(delta), delta.tool_calls or ()
    if thoughts:
        says_more = bool(delta.content or delta.refusal or calls or reasoning_of(delta))
        return says_more or len(thoughts) > 1
    order = read_order((delta.model_extra or {}).get(BLOCK_ORDER))
    texts = cut_text(delta.content or "", order)
    return len(order) > 1 and len(order) == len(texts) + len(calls)


def _spoken(delta: Delta) -> Iterator[tuple[str, str]]:
    """The texts of a delta, each with the kind of block that holds it."""
    texts = (
        (THINKING, reasoning_of(delta)),
        (TEXT, delta.content),
        ("refusal", delta.refusal),
    )
    for kind, text in texts:
        if text:
            yield kind, text
