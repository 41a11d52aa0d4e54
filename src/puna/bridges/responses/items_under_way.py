"""Items of a streamed response while their pieces come."""

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
from puna.wire.json_size import TooManyValuesError, check_text

Event = tuple[str, dict[str, Any]]
"""The type of an event, and its fields besides number and output index."""


class Item(Protocol):
    """Takes pieces; `news` are the events of those not told yet, `close` those of its end."""

    key: str
    index: int
    is_open: bool

    @property
    def is_whole(self) -> bool:
        """Whether no more pieces are to be expected once another item has begun."""
        ...

    def news(self) -> Iterator[Event]:
        """The events that open the item, and those of the pieces that came."""
        ...

    def close(self, status: str) -> Iterator[Event]:
        """The events that close the item."""
        ...

    def shown(self, status: str) -> dict[str, Any]:
        """The item with all that was told of it."""
        ...


@dataclass(frozen=True, slots=True)
class Form:
    """What sets texts, refusals and thoughts apart: ids, parts, and the words of their events."""

    prefix: str
    word: str
    field: str
    make_part: Callable[[str], dict[str, Any]]
    make_item: Callable[[str, int, list[dict[str, Any]], str], dict[str, Any]] = message_item

    @property
    def has_logprobs(self) -> bool:
        """Whether its events tell log probabilities."""
        return self.word == "output_text"


TEXT = Form("msg", "output_text", "text", text_part)
REFUSAL = Form("msg", "refusal", "refusal", refusal_part)
REASONING = Form("rs", "reasoning_text", "text", reasoning_part, reasoning_item)


class Spoken:
    """A text, a refusal or thoughts: an item with one part."""

    is_whole = True

    def __init__(self, key: str, response_id: str, index: int, form: Form) -> None:
        self.key = key
        self.index = index
        self.is_open = False
        self._response_id = response_id
        self._form = form
        self._place = {"item_id": item_id(form.prefix, response_id, index), "content_index": 0}
        self._texts: list[str] = []
        self._new: list[str] = []
        self._logprobs: list[Any] = []
        self._new_logprobs: list[Any] = []

    def take(self, text: str, logprobs: list[Any]) -> None:
        """The next piece."""
        self._new.append(text)
        self._new_logprobs += logprobs

    def news(self) -> Iterator[Event]:
        """The events that open the item, and those of the pieces that came."""
        form = self._form
        if not self.is_open:
            self.is_open = True
            yield "response.output_item.added", {"item": self._item([], IN_PROGRESS)}
            yield "response.content_part.added", {**self._place, "part": form.make_part("")}
        text, logprobs = "".join(self._new), self._new_logprobs
        self._new, self._new_logprobs = [], []
        if text:
            self._texts.append(text)
            self._logprobs += logprobs
            yield (
                f"response.{form.word}.delta",
                {**self._place, "delta": text, **self._told(logprobs)},
            )

    def close(self, status: str) -> Iterator[Event]:
        """The events that close the item."""
        form = self._form
        text = {form.field: "".join(self._texts), **self._told(self._logprobs)}
        yield f"response.{form.word}.done", {**self._place, **text}
        yield "response.content_part.done", {**self._place, "part": self._part()}
        yield "response.output_item.done", {"item": self.shown(status)}

    def shown(self, status: str) -> dict[str, Any]:
        """The item with the text so far."""
        return self._item([self._part()], status)

    def _item(self, parts: list[dict[str, Any]], status: str) -> dict[str, Any]:
        return self._form.make_item(self._response_id, self.index, parts, status)

    def _part(self) -> dict[str, Any]:
        return {**self._form.make_part("".join(self._texts)), **self._told(self._logprobs)}

    def _told(self, logprobs: list[Any]) -> dict[str, Any]:
        return {"logprobs": list(logprobs)} if self._form.has_logprobs else {}


class Call:
    """A call. A free-form tool's input stands inside JSON here: it is told when it is whole."""

    def __init__(self, key: str, response_id: str, index: int) -> None:
        self.key = key
        self.index = index
        self.is_open = False
        self._response_id = response_id
        self._call_id: str | None = None
        self._tool = CalledTool("")
        self._is_whole: bool | None = None
        self._told: list[str] = []
        self._new: list[str] = []

    @property
    def is_whole(self) -> bool:
        """Whether the arguments are a JSON object: more pieces could only break it."""
        if self._is_whole is None:  # asked at every piece of a later item
            self._is_whole = _is_object("".join((*self._told, *self._new)))
        return self._is_whole

    def take(self, call_id: str | None, tool: CalledTool | None, arguments: str) -> None:
        """The next piece."""
        self._call_id = self._call_id or call_id
        self._tool = tool or self._tool
        if arguments:
            self._new.append(arguments)
            self._is_whole = None

    def news(self) -> Iterator[Event]:
        """The events that open the item, once its name is known, and those of the pieces."""
        if not self._tool.name and not self.is_open:
            return
        yield from self._open()
        yield from self._tell()

    def close(self, status: str) -> Iterator[Event]:
        """The events that close the item."""
        yield from self._open()
        yield from self._tell()
        item = self.shown(status)
        place = {"item_id": item["id"]}
        if not self._tool.is_custom:
            told = {"name": self._tool.name, "arguments": item["arguments"]}
            yield "response.function_call_arguments.done", {**place, **told}
        else:
            if item["input"]:
                delta = {"delta": item["input"]}
                yield "response.custom_tool_call_input.delta", {**place, **delta}
            yield "response.custom_tool_call_input.done", {**place, "input": item["input"]}
        yield "response.output_item.done", {"item": item}

    def shown(self, status: str) -> dict[str, Any]:
        """The item with the arguments so far."""
        return call_item(
            self._response_id,
            self.index,
            self._call_id,
            self._tool,
            "".join(self._told),
            status,
        )

    def _open(self) -> Iterator[Event]:
        if not self.is_open:
            item = self.shown(IN_PROGRESS)
            self.is_open = True
            yield "response.output_item.added", {"item": item}

    def _tell(self) -> Iterator[Event]:
        text, self._new = "".join(self._new), []
        if not text:
            return
        self._told.append(text)
        if not self._tool.is_custom:
            place = {"item_id": item_id("fc", self._response_id, self.index)}
            yield "response.function_call_arguments.delta", {**place, "delta": text}


def _is_object(text: str) -> bool:
    try:
        check_text(text)
        return isinstance(json.loads(text), dict)
    except TooManyValuesError:
        return text.rstrip().endswith("}")
    except (ValueError, RecursionError):
        return False
