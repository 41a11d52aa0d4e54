"""Chunks as the events of a streamed response.

Items come one after the other, as OpenAI's do: an item is closed before the next is opened. Where a
host mixes the pieces of two calls, the later call waits until the earlier one is whole.
The last event's response equals `response_of` the folded chunks, by property test.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from puna.bridges.reasoning import reasoning_of
from puna.bridges.responses.items_under_way import (
    REASONING,
    REFUSAL,
    TEXT,
    Call,
    Form,
    Item,
    Spoken,
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
    """`change` each chunk, then `finish`, or `fail`: each gives the events to send now.

    `response` is the last event's once there is one.
    """

    def __init__(
        self,
        request: BridgedRequest,
        response_id: str,
        created_at: int,
        now: Callable[[], float],
    ) -> None:
        """`now` gives Unix time in seconds, asked at the end: `completed_at`."""
        self.response: Response | None = None
        self._now = now
        self._request = request
        self._id = response_id
        self._created_at = created_at
        self._has_begun = False
        self._events: Events = []
        self._made = 0
        self._line: deque[Item] = deque()
        self._spoken: dict[str, Spoken] = {}
        self._calls: dict[int, Call] = {}
        self._items = 0
        self._output: list[dict[str, Any]] = []
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self._tier: Any = None

    def change(self, chunk: ChatCompletionChunk) -> Events:
        """The events of a chunk; the first chunk's begin the response."""
        self._begin()
        self._usage = chunk.usage or self._usage
        tier = tier_of(chunk)
        if tier is not None:
            self._tier = tier
        for choice in chunk.choices:
            if choice.index == 0:
                self._take(choice)
        return self._drain()

    def finish(self) -> Events:
        """The chunks have come to their end: close what is open, and complete the response."""
        self._begin()
        if not self._items:
            self._say("text", TEXT, "")
        is_cut = incomplete_reason(self._finish_reason) is not None
        while self._line:
            is_last = len(self._line) == 1
            self._close_first(INCOMPLETE if is_cut and is_last else COMPLETED)
        fields = ended(self._finish_reason, self._usage, self._tier, int(self._now()))
        status = fields.pop("status")
        self._end(status, fields)
        return self._drain()

    def fail(self, code: str, message: str) -> Events:
        """The stream broke: the response has failed, and nothing follows."""
        self._begin()
        self._output += [item.shown(INCOMPLETE) for item in self._line if item.is_open]
        self._end(FAILED, failed(code, message))
        return self._drain()

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

    def _take(self, choice: ChunkChoice) -> None:
        delta = choice.delta
        self._finish_reason = choice.finish_reason or self._finish_reason
        thought = reasoning_of(delta)
        if thought:
            self._say("reasoning", REASONING, thought)
        if delta.content:
            self._say("text", TEXT, delta.content, logprobs_of(choice))
        if delta.refusal:
            self._say("refusal", REFUSAL, delta.refusal)
        for piece in delta.tool_calls or ():
            self._take_call(piece)

    def _say(self, key: str, form: Form, text: str, logprobs: list[Any] | None = None) -> None:
        item = self._spoken.get(key)
        if item is None:
            item = self._spoken[key] = Spoken(key, self._id, self._items, form)
            self._join(item)
        item.take(text, logprobs or [])
        self._move_up(item)

    def _take_call(self, piece: DeltaToolCall) -> None:
        function = piece.function
        arguments = (function.arguments if function else None) or ""
        call = self._calls.get(piece.index)
        if call is None:
            call = self._calls[piece.index] = Call(str(piece.index), self._id, self._items)
            self._join(call)
        name = function.name if function else None
        call.take(piece.id, self._request.called(name) if name else None, arguments)
        if call in self._line:  # what follows a whole JSON object can only be blanks
            self._move_up(call)

    def _join(self, item: Item) -> None:
        """A new item goes to the end of the line."""
        self._items += 1
        self._line.append(item)

    def _move_up(self, item: Item) -> None:
        """Close the complete items before this one; if it is now the first, send what it has."""
        while self._line[0] is not item and self._line[0].is_whole:
            self._close_first(COMPLETED)
        if self._line[0] is item:
            self._tell(item, item.news())

    def _close_first(self, status: str) -> None:
        item = self._line.popleft()
        self._tell(item, item.news())
        self._tell(item, item.close(status))
        self._output.append(item.shown(status))
        self._spoken.pop(item.key, None)

    def _tell(self, item: Item, events: Any) -> None:
        for kind, fields in events:
            self._emit(kind, output_index=item.index, **fields)

    def _emit(self, kind: str, **fields: Any) -> None:
        self._events.append(ResponseEvent(type=kind, sequence_number=self._made, **fields))
        self._made += 1

    def _drain(self) -> Events:
        events, self._events = self._events, []
        return events
