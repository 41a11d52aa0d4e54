"""Converts the chunks of a chat stream to the events of a streamed response.

Items come one after the other, as OpenAI's do: an item is closed before the next is opened. So the
open items form a queue. Only its first item emits events; the others buffer their pieces until the
items before them are complete. Events of this machine are chunks, `finish` and `fail`; after either
of the latter the response is over. The final response equals `response_of` the folded chunks, by
property test.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from puna.bridges.reasoning import reasoning_of
from puna.bridges.responses.open_items import (
    REASONING,
    REFUSAL,
    TEXT,
    OpenCall,
    OpenItem,
    OpenText,
    TextKind,
)
from puna.bridges.responses.output import (
    COMPLETED,
    FAILED,
    IN_PROGRESS,
    INCOMPLETE,
    ended,
    failed,
    incomplete_reason,
    make_response,
    tier_of,
)
from puna.bridges.responses.reply import logprobs_of
from puna.bridges.responses.request import BridgedRequest
from puna.types.chat import ChatCompletionChunk, ChunkChoice, DeltaToolCall
from puna.types.common import Usage
from puna.types.responses import Response, ResponseEvent

Events = list[ResponseEvent]


class ResponseStream:
    """Converts one stream: `change` each chunk, then `finish` or `fail`.

    All give the events to send.

    `response` is the final response once there is one.
    """

    def __init__(
        self,
        request: BridgedRequest,
        response_id: str,
        created_at: int,
        now: Callable[[], float],
    ) -> None:
        """`now` gives Unix time in seconds; it is called at the end, for `completed_at`."""
        self.response: Response | None = None
        self._now = now
        self._request = request
        self._id = response_id
        self._created_at = created_at
        self._has_begun = False
        self._events: Events = []
        self._made = 0
        self._open_items: deque[OpenItem] = deque()
        self._texts: dict[str, OpenText] = {}
        self._calls: dict[int, OpenCall] = {}
        self._items = 0
        self._output: list[dict[str, Any]] = []
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self._tier: Any = None

    def change(self, chunk: ChatCompletionChunk) -> Events:
        """The events of a chunk; the first chunk also begins the response."""
        self._begin()
        self._usage = chunk.usage or self._usage
        tier = tier_of(chunk)
        if tier is not None:
            self._tier = tier
        for choice in chunk.choices:
            if choice.index == 0:
                self._add_choice(choice)
        return self._take_events()

    def finish(self) -> Events:
        """The last events of a stream that ended well: close all items, complete the response."""
        self._begin()
        if not self._items:
            self._add_text("text", TEXT, "")
        is_cut = incomplete_reason(self._finish_reason) is not None
        while self._open_items:
            is_last = len(self._open_items) == 1
            self._close_first(INCOMPLETE if is_cut and is_last else COMPLETED)
        fields = ended(self._finish_reason, self._usage, self._tier, int(self._now()))
        status = fields.pop("status")
        self._end(status, fields)
        return self._take_events()

    def fail(self, code: str, message: str) -> Events:
        """The last events of a stream that broke: a failed response."""
        self._begin()
        self._output += [item.to_item(INCOMPLETE) for item in self._open_items if item.is_open]
        self._end(FAILED, failed(code, message))
        return self._take_events()

    def _begin(self) -> None:
        if self._has_begun:
            return
        self._has_begun = True
        for kind in ("response.created", "response.in_progress"):
            response = make_response(self._request, self._id, self._created_at, IN_PROGRESS)
            self._emit(kind, response=response)

    def _end(self, status: str, fields: dict[str, Any]) -> None:
        self.response = make_response(
            self._request, self._id, self._created_at, status, self._output, **fields
        )
        self._emit(f"response.{status}", response=self.response)

    def _add_choice(self, choice: ChunkChoice) -> None:
        delta = choice.delta
        self._finish_reason = choice.finish_reason or self._finish_reason
        thought = reasoning_of(delta)
        if thought:
            self._add_text("reasoning", REASONING, thought)
        if delta.content:
            self._add_text("text", TEXT, delta.content, logprobs_of(choice))
        if delta.refusal:
            self._add_text("refusal", REFUSAL, delta.refusal)
        for piece in delta.tool_calls or ():
            self._add_call(piece)

    def _add_text(
        self, key: str, kind: TextKind, text: str, logprobs: list[Any] | None = None
    ) -> None:
        item = self._texts.get(key)
        if item is None:
            item = self._texts[key] = OpenText(key, self._id, self._items, kind)
            self._append_item(item)
        item.add(text, logprobs or [])
        self._advance_to(item)

    def _add_call(self, piece: DeltaToolCall) -> None:
        function = piece.function
        arguments = (function.arguments if function else None) or ""
        call = self._calls.get(piece.index)
        if call is None:
            call = self._calls[piece.index] = OpenCall(str(piece.index), self._id, self._items)
            self._append_item(call)
        name = function.name if function else None
        call.add(piece.id, self._request.called(name) if name else None, arguments)
        if call in self._open_items:  # what follows a whole JSON object can only be blanks
            self._advance_to(call)

    def _append_item(self, item: OpenItem) -> None:
        """Put a new item at the end of the queue."""
        self._items += 1
        self._open_items.append(item)

    def _advance_to(self, item: OpenItem) -> None:
        """Close the complete items before this one; if it is the first now, emit what it has."""
        while self._open_items[0] is not item and self._open_items[0].is_whole:
            self._close_first(COMPLETED)
        if self._open_items[0] is item:
            self._emit_all(item, item.new_events())

    def _close_first(self, status: str) -> None:
        item = self._open_items.popleft()
        self._emit_all(item, item.new_events())
        self._emit_all(item, item.close(status))
        self._output.append(item.to_item(status))
        self._texts.pop(item.key, None)

    def _emit_all(self, item: OpenItem, events: Any) -> None:
        for kind, fields in events:
            self._emit(kind, output_index=item.index, **fields)

    def _emit(self, kind: str, **fields: Any) -> None:
        self._events.append(ResponseEvent(type=kind, sequence_number=self._made, **fields))
        self._made += 1

    def _take_events(self) -> Events:
        events, self._events = self._events, []
        return events
