"""Converts the chunks of a chat stream to the events of a streamed response.

Items come one after the other, as OpenAI's do: an item is closed before the next is opened. So the
open items form a queue. Only its first item emits events; the others buffer their pieces until the
items before them are complete. Events of this machine are chunks, `finish` and `fail`; after either
of the latter the response is over. The final response equals `response_of` the folded chunks, by
property test.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, NamedTuple, TypeVar

from typing_extensions import override

from puna.bridges.reasoning import reasoning_of
from puna.bridges.responses.open_items import (
    REASONING,
    REFUSAL,
    TEXT,
    Event,
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
    failure_fields,
    final_fields,
    incomplete_reason,
    response_fields,
    tier_of,
)
from puna.bridges.responses.reply import logprobs_of
from puna.bridges.responses.request import BridgedRequest
from puna.types.chat import ChatCompletionChunk, ChunkChoice, DeltaToolCall
from puna.types.common import Usage
from puna.types.responses import Response, ResponseEvent

_TEXT_KEY: Final = "text"

EventT = TypeVar("EventT")
ResponseT = TypeVar("ResponseT")


class Place(NamedTuple):
    """Which item the next piece of a text, or of a call's arguments, is added to.

    The fast lane writes the events of such pieces itself.
    """

    item_id: str
    output_index: int
    item: OpenText | OpenCall


class AnyResponseStream(ABC, Generic[EventT, ResponseT]):
    """Converts one chat stream: `convert` each chunk, then `finish` or `fail`. All return events.

    Subclasses say of what type events and responses are. `response` is the final response once
    there is one.
    """

    def __init__(
        self,
        request: BridgedRequest,
        response_id: str,
        created_at: int,
        now: Callable[[], float],
    ) -> None:
        """`now` gives Unix time in seconds; it is called at the end, for `completed_at`."""
        self.response: ResponseT | None = None
        self._now = now
        self._request = request
        self._id = response_id
        self._created_at = created_at
        self._has_begun = False
        self._events: list[EventT] = []
        self._made = 0
        self._open_items: deque[OpenItem] = deque()
        self._texts: dict[str, OpenText] = {}
        self._calls: dict[int, OpenCall] = {}
        self._items = 0
        self._output: list[dict[str, Any]] = []
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self._tier: Any = None

    def convert(self, chunk: ChatCompletionChunk) -> list[EventT]:
        """Convert a chunk to events; the first chunk also begins the response."""
        self._begin()
        self._usage = chunk.usage or self._usage
        self.note_tier(tier_of(chunk))
        for choice in chunk.choices:
            if choice.index == 0:
                self._add_choice(choice)
        return self._pop_events()

    def note_tier(self, tier: Any) -> None:
        """Note the `service_tier` of a chunk, None where it has none: the last one counts."""
        if tier is not None:
            self._tier = tier

    def finish(self) -> list[EventT]:
        """The last events of a stream that ended well: close all items, complete the response."""
        self._begin()
        if not self._items:
            self._add_text(_TEXT_KEY, TEXT, "")
        is_cut = incomplete_reason(self._finish_reason) is not None
        while self._open_items:
            is_last = len(self._open_items) == 1
            self._close_first(INCOMPLETE if is_cut and is_last else COMPLETED)
        fields = final_fields(self._finish_reason, self._usage, self._tier, int(self._now()))
        status = fields.pop("status")
        self._end(status, fields)
        return self._pop_events()

    def fail(self, code: str, message: str) -> list[EventT]:
        """The last events of a stream that broke: a failed response."""
        self._begin()
        self._output += [item.to_item(INCOMPLETE) for item in self._open_items if item.is_open]
        self._end(FAILED, failure_fields(code, message))
        return self._pop_events()

    @property
    def open_text(self) -> Place | None:
        """The place of the next piece of text; None where `convert` must be called."""
        items = self._open_items
        first = items[0] if len(items) == 1 else None
        if not isinstance(first, OpenText) or first.key != _TEXT_KEY or not first.is_open:
            return None
        return Place(first.item_id, first.index, first)

    @property
    def has_open_call(self) -> bool:
        """Whether a call is the only open item: pieces of its arguments may go by `open_call`."""
        return len(self._open_items) == 1 and isinstance(self._open_items[0], OpenCall)

    def open_call(self, index: int) -> Place | None:
        """The place of the next piece of a call's arguments; None where `convert` must be called.

        `index` is the place of the call among the calls of the answer.
        """
        items = self._open_items
        call = items[0] if len(items) == 1 else None
        if not isinstance(call, OpenCall) or call is not self._calls.get(index):
            return None
        item_id = call.sent_item_id
        return Place(item_id, call.index, call) if item_id is not None else None

    def next_number(self) -> int:
        """Use up and return the number of the next event."""
        number = self._made
        self._made += 1
        return number

    @abstractmethod
    def _make_event(self, kind: str, number: int, fields: dict[str, Any]) -> EventT:
        """An event of a type, with its number."""

    @abstractmethod
    def _make_response(self, fields: dict[str, Any]) -> ResponseT:
        """A response."""

    def _begin(self) -> None:
        """Emit the events that begin the response, once."""
        if self._has_begun:
            return
        self._has_begun = True
        for kind in ("response.created", "response.in_progress"):
            begun = response_fields(self._request, self._id, self._created_at, IN_PROGRESS)
            self._emit(kind, response=self._make_response(begun))

    def _end(self, status: str, fields: dict[str, Any]) -> None:
        """Emit the last event, with the response."""
        self.response = self._make_response(
            response_fields(
                self._request, self._id, self._created_at, status, self._output, **fields
            )
        )
        self._emit(f"response.{status}", response=self.response)

    def _add_choice(self, choice: ChunkChoice) -> None:
        """Convert the delta of the first choice."""
        delta = choice.delta
        self._finish_reason = choice.finish_reason or self._finish_reason
        thought = reasoning_of(delta)
        if thought:
            self._add_text("reasoning", REASONING, thought)
        if delta.content:
            self._add_text(_TEXT_KEY, TEXT, delta.content, logprobs_of(choice))
        if delta.refusal:
            self._add_text("refusal", REFUSAL, delta.refusal)
        for piece in delta.tool_calls or ():
            self._add_call(piece)

    def _add_text(
        self, key: str, kind: TextKind, text: str, logprobs: list[Any] | None = None
    ) -> None:
        """Add a piece of text of a kind to its item, which is made if needed."""
        item = self._texts.get(key)
        if item is None:
            item = self._texts[key] = OpenText(key, self._id, self._items, kind)
            self._append_item(item)
        item.add(text, logprobs or [])
        self._advance_to(item)

    def _add_call(self, piece: DeltaToolCall) -> None:
        """Add a piece of a call to its item, which is made if needed."""
        function = piece.function
        arguments = (function.arguments if function else None) or ""
        call = self._calls.get(piece.index)
        if call is None:
            call = self._calls[piece.index] = OpenCall(str(piece.index), self._id, self._items)
            self._append_item(call)
        name = function.name if function else None
        call.add(piece.id, self._request.tool_of(name) if name else None, arguments)
        if call in self._open_items:  # what follows a whole JSON object can only be blanks
            self._advance_to(call)

    def _append_item(self, item: OpenItem) -> None:
        """Put a new item at the end of the queue."""
        self._items += 1
        self._open_items.append(item)

    def _advance_to(self, item: OpenItem) -> None:
        """Close the complete items before this one.

        If it is then the first, emit its new events.
        """
        while self._open_items[0] is not item and self._open_items[0].is_whole:
            self._close_first(COMPLETED)
        if self._open_items[0] is item:
            self._emit_all(item, item.new_events())

    def _close_first(self, status: str) -> None:
        """Close the first item of the queue, and add it to the output."""
        item = self._open_items.popleft()
        self._emit_all(item, item.new_events())
        self._emit_all(item, item.close(status))
        self._output.append(item.to_item(status))
        self._texts.pop(item.key, None)

    def _emit_all(self, item: OpenItem, events: Iterator[Event]) -> None:
        """Queue events that an open item gave, each with the item's place in the output."""
        for kind, fields in events:
            self._emit(kind, output_index=item.index, **fields)

    def _emit(self, kind: str, **fields: Any) -> None:
        """Emit an event with the next number."""
        self._events.append(self._make_event(kind, self.next_number(), fields))

    def _pop_events(self) -> list[EventT]:
        """The events emitted since the last call."""
        events, self._events = self._events, []
        return events


class ResponseStream(AnyResponseStream[ResponseEvent, Response]):
    """Gives events and responses as values of the API's types, for the SDK and the full lane."""

    @override
    def _make_event(self, kind: str, number: int, fields: dict[str, Any]) -> ResponseEvent:
        return ResponseEvent(type=kind, sequence_number=number, **fields)

    @override
    def _make_response(self, fields: dict[str, Any]) -> Response:
        return Response.model_validate(fields)


class PlainResponseStream(AnyResponseStream[dict[str, Any], dict[str, Any]]):
    """Gives events and responses as dicts, which the fast lane serializes."""

    @override
    def _make_event(self, kind: str, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        return {"type": kind, "sequence_number": number, **fields}

    @override
    def _make_response(self, fields: dict[str, Any]) -> dict[str, Any]:
        return fields
