"""The output items of a streamed response while their pieces arrive.

An item is *new* until `new_events` has given the event that opens it, *open* while it gets pieces,
and *closed* by `close`. `new_events` gives each piece once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from puna.bridges.responses.output import (
    IN_PROGRESS,
    call_item,
    item_id,
    message_item,
    reasoning_item,
    reasoning_part,
    refusal_part,
    text_part,
)
from puna.bridges.responses.tools import CalledTool
from puna.wire.json_size import TooManyValuesError, check_nested_json

Event = tuple[str, dict[str, Any]]
"""The type of an event, and its fields besides number and output index."""


class OpenItem(Protocol):
    """An output item that is still streaming. The stream of events is made of these.

    `add` takes pieces; `new_events` gives the events not emitted yet, `close` the final ones.
    """

    key: str
    index: int
    is_open: bool

    @property
    def is_whole(self) -> bool:
        """Whether no more pieces can come once another item has begun."""
        ...

    def new_events(self) -> Iterator[Event]:
        """The events that open the item, once, and those for the pieces since the last call."""
        ...

    def close(self, status: str) -> Iterator[Event]:
        """The events that end the item with a status."""
        ...

    def to_item(self, status: str) -> dict[str, Any]:
        """The item as JSON fields, with the text that was emitted so far."""
        ...


@dataclass(frozen=True, slots=True)
class TextKind:
    """The differences between text, refusal and reasoning items.

    Id prefix, event names, builders.
    """

    prefix: str
    event_name: str
    field: str
    make_part: Callable[[str], dict[str, Any]]
    make_item: Callable[[str, int, list[dict[str, Any]], str], dict[str, Any]] = message_item

    @property
    def has_logprobs(self) -> bool:
        """Whether the events of this kind carry log probabilities."""
        return self.event_name == "output_text"


TEXT = TextKind("msg", "output_text", "text", text_part)
REFUSAL = TextKind("msg", "refusal", "refusal", refusal_part)
REASONING = TextKind("rs", "reasoning_text", "text", reasoning_part, reasoning_item)


class OpenText:
    """A text, a refusal or reasoning: an item with one content part."""

    is_whole = True

    def __init__(self, key: str, response_id: str, index: int, kind: TextKind) -> None:
        self.key = key
        self.index = index
        self.is_open = False
        self._response_id = response_id
        self._kind = kind
        self._position = {"item_id": item_id(kind.prefix, response_id, index), "content_index": 0}
        self._texts: list[str] = []
        self._new: list[str] = []
        self._logprobs: list[Any] = []
        self._new_logprobs: list[Any] = []

    def add(self, text: str, logprobs: list[Any]) -> None:
        """Add a piece of text with its log probabilities."""
        self._new.append(text)
        self._new_logprobs += logprobs

    @property
    def item_id(self) -> str:
        """The id of the item."""
        return str(self._position["item_id"])

    def add_sent(self, text: str) -> None:
        """Add a piece whose event the fast lane has written; only while no other piece waits."""
        self._texts.append(text)

    def new_events(self) -> Iterator[Event]:
        """The events that open the item, once, and those for the pieces since the last call."""
        kind = self._kind
        if not self.is_open:
            self.is_open = True
            yield "response.output_item.added", {"item": self._to_item([], IN_PROGRESS)}
            yield "response.content_part.added", {**self._position, "part": kind.make_part("")}
        text, logprobs = "".join(self._new), self._new_logprobs
        self._new, self._new_logprobs = [], []
        if text:
            self._texts.append(text)
            self._logprobs += logprobs
            yield (
                f"response.{kind.event_name}.delta",
                {**self._position, "delta": text, **self._logprobs_field(logprobs)},
            )

    def close(self, status: str) -> Iterator[Event]:
        """The events that end the text, the part and the item."""
        kind = self._kind
        text = {kind.field: "".join(self._texts), **self._logprobs_field(self._logprobs)}
        yield f"response.{kind.event_name}.done", {**self._position, **text}
        yield "response.content_part.done", {**self._position, "part": self._to_part()}
        yield "response.output_item.done", {"item": self.to_item(status)}

    def to_item(self, status: str) -> dict[str, Any]:
        """The item with the text emitted so far."""
        return self._to_item([self._to_part()], status)

    def _to_item(self, parts: list[dict[str, Any]], status: str) -> dict[str, Any]:
        """The item with these parts."""
        return self._kind.make_item(self._response_id, self.index, parts, status)

    def _to_part(self) -> dict[str, Any]:
        """The part with the text emitted so far."""
        return {
            **self._kind.make_part("".join(self._texts)),
            **self._logprobs_field(self._logprobs),
        }

    def _logprobs_field(self, logprobs: list[Any]) -> dict[str, Any]:
        """The field `logprobs`, for kinds that have it."""
        return {"logprobs": list(logprobs)} if self._kind.has_logprobs else {}


class OpenCall:
    """A tool call that is still streaming.

    The input of a free-form tool is inside JSON, so it is emitted only when complete.
    """

    def __init__(self, key: str, response_id: str, index: int) -> None:
        self.key = key
        self.index = index
        self.is_open = False
        self._response_id = response_id
        self._call_id: str | None = None
        self._tool = CalledTool("")
        self._is_whole: bool | None = None
        self._sent: list[str] = []
        self._new: list[str] = []

    @property
    def is_whole(self) -> bool:
        """Whether the arguments are a JSON object already."""
        if self._is_whole is None:  # asked at every piece of a later item
            self._is_whole = _is_object("".join((*self._sent, *self._new)))
        return self._is_whole

    def add(self, call_id: str | None, tool: CalledTool | None, arguments: str) -> None:
        """Add a piece: id, tool and arguments, as far as the chunk has them."""
        self._call_id = self._call_id or call_id
        self._tool = tool or self._tool
        if arguments:
            self._new.append(arguments)
            self._is_whole = None

    @property
    def sent_item_id(self) -> str | None:
        """The id of the item where its pieces are sent as they come; None where they wait."""
        is_sent = self.is_open and not self._tool.is_custom and not self._new
        return item_id("fc", self._response_id, self.index) if is_sent else None

    def add_sent(self, text: str) -> None:
        """Add a piece whose event the fast lane has written; only while `sent_item_id` is known."""
        self._sent.append(text)
        self._is_whole = None

    def new_events(self) -> Iterator[Event]:
        """The events that open the item, once its tool is known, and those for new pieces."""
        if not self._tool.name and not self.is_open:
            return
        yield from self._open()
        yield from self._emit_arguments()

    def close(self, status: str) -> Iterator[Event]:
        """The events that end the call's item with a status."""
        yield from self._open()
        yield from self._emit_arguments()
        item = self.to_item(status)
        position = {"item_id": item["id"]}
        if not self._tool.is_custom:
            fields = {"name": self._tool.name, "arguments": item["arguments"]}
            yield "response.function_call_arguments.done", {**position, **fields}
        else:
            if item["input"]:
                delta = {"delta": item["input"]}
                yield "response.custom_tool_call_input.delta", {**position, **delta}
            yield "response.custom_tool_call_input.done", {**position, "input": item["input"]}
        yield "response.output_item.done", {"item": item}

    def to_item(self, status: str) -> dict[str, Any]:
        """The item with the arguments emitted so far."""
        return call_item(
            self._response_id,
            self.index,
            self._call_id,
            self._tool,
            "".join(self._sent),
            status,
        )

    def _open(self) -> Iterator[Event]:
        """The event that opens the item, once."""
        if not self.is_open:
            item = self.to_item(IN_PROGRESS)
            self.is_open = True
            yield "response.output_item.added", {"item": item}

    def _emit_arguments(self) -> Iterator[Event]:
        """The events for arguments that were not emitted yet."""
        text, self._new = "".join(self._new), []
        if not text:
            return
        self._sent.append(text)
        if not self._tool.is_custom:
            position = {"item_id": item_id("fc", self._response_id, self.index)}
            yield "response.function_call_arguments.delta", {**position, "delta": text}


def _is_object(text: str) -> bool:
    """Whether a text is a complete JSON object, so that a call's arguments are complete."""
    try:
        check_nested_json(text)
        return isinstance(json.loads(text), dict)
    except TooManyValuesError:
        return text.rstrip().endswith("}")
    except (ValueError, RecursionError):
        return False
