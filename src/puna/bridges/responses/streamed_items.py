"""The items of a streamed response, put together from the events about them.

Some hosts leave the `output` of their last event empty, or an item in it: what they streamed counts
then. The service behind Codex's own login does so (picoclaw#2674).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from puna.bridges.responses.output import COMPLETED, text_part
from puna.types.responses import ResponseEvent

_DONE = "response.output_item.done"

_FIELDS: Mapping[str, tuple[str, str]] = {
    "response.output_text": ("message", "text"),
    "response.refusal": ("message", "refusal"),
    "response.reasoning_text": ("reasoning", "text"),
    "response.function_call_arguments": ("function_call", "arguments"),
    "response.custom_tool_call_input": ("custom_tool_call", "input"),
}
"""The events that bring the text of an item: the item's type, and the field that holds the text."""

Item = dict[str, Any]
_Key = tuple[int, int, str]
"""The place of an item, the place of a part in it, and the kind of event."""


class StreamedItems:
    """`take` each event; then ask for the items, in the order of the output."""

    def __init__(self) -> None:
        self._done: dict[int, Item] = {}
        self._begun: dict[int, Item] = {}
        self._texts: dict[_Key, list[str]] = {}
        self._places: dict[str, int] = {}

    def take(self, event: ResponseEvent) -> None:
        """Note what an event says of an item."""
        if event.item is not None:
            item = event.item.to_dict()
            place = self._place(event, item.get("id"))
            (self._done if event.type == _DONE else self._begun)[place] = item
            return
        name, _, end = event.type.rpartition(".")
        if name not in _FIELDS or end not in ("delta", "done"):
            return
        key = (self._place(event, event.item_id), event.content_index or 0, name)
        if end == "delta":
            if isinstance(event.delta, str):
                self._texts.setdefault(key, []).append(event.delta)
            return
        whole = event.get(_FIELDS[name][1])
        if isinstance(whole, str) and whole:
            self._texts[key] = [whole]

    def whole(self) -> list[Item]:
        """The items that the host said were done."""
        return [self._done[place] for place in sorted(self._done)]

    def complete(self, output: list[Item]) -> list[Item]:
        """The output that a host told at the end, with what it streamed and left out there."""
        if output and all(_says_something(item) for item in output):
            return output
        streamed = self._all()
        if not output:
            return [streamed[place] for place in sorted(streamed)]
        return [
            item if _says_something(item) else streamed.get(place, item)
            for place, item in enumerate(output)
        ]

    def _all(self) -> dict[int, Item]:
        """Every item, those that were never said to be done with what came of them."""
        found = {place: {**item} for place, item in self._begun.items()}
        for key in sorted(self._texts):
            place, _, name = key
            kind, field = _FIELDS[name]
            text = "".join(self._texts[key])
            item = found.setdefault(place, {"type": kind, "id": f"{kind}_{place}"})
            if kind == "message":
                is_text = field == "text"
                part = text_part(text) if is_text else {"type": "refusal", "refusal": text}
                item["content"] = [*(item.get("content") or ()), part]
                item.setdefault("role", "assistant")
            elif kind == "reasoning":
                part = {"type": "reasoning_text", "text": text}
                item["content"] = [*(item.get("content") or ()), part]
                item.setdefault("summary", [])
            else:
                item[field] = text
                item.setdefault("call_id", item["id"])
                item.setdefault("name", "")
            item["status"] = COMPLETED
        return {**found, **self._done}

    def _place(self, event: ResponseEvent, item_id: Any) -> int:
        """The item's place in the output: as told, else that of its id, else the last or next."""
        place = event.output_index
        if place is None:
            place = self._places.get(item_id)
        if place is None:
            last = max((*self._begun, *self._done), default=-1)
            place = max(last + (item_id is not None and event.item is not None), 0)
        if isinstance(item_id, str):
            self._places[item_id] = place
        return place


def _says_something(item: Item) -> bool:
    """Whether an item holds what its kind is for; of kinds without a text nothing is asked."""
    kind = item.get("type")
    if kind == "message":
        return bool(item.get("content"))
    return kind != "function_call" or bool(item.get("name"))
