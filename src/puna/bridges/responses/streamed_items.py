"""Collects the output items of a streamed response from its events.

Some hosts leave the `output` of their last event, or an item in it, empty; then the streamed items
are used. The service behind Codex's own login does so (picoclaw#2674).
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
"""The index of an item, the index of a part in it, and the kind of event."""


class StreamedItems:
    """Collects items: `add` each event, then ask for the items in the order of the output."""

    def __init__(self) -> None:
        self._done: dict[int, Item] = {}
        self._begun: dict[int, Item] = {}
        self._texts: dict[_Key, list[str]] = {}
        self._indexes: dict[str, int] = {}

    def add(self, event: ResponseEvent) -> None:
        """Note what an event says of an item."""
        if event.item is not None:
            item = event.item.to_dict()
            index = self._index_of(event, item.get("id"))
            (self._done if event.type == _DONE else self._begun)[index] = item
            return
        name, _, end = event.type.rpartition(".")
        if name not in _FIELDS or end not in ("delta", "done"):
            return
        key = (self._index_of(event, event.item_id), event.content_index or 0, name)
        if end == "delta":
            if isinstance(event.delta, str):
                self._texts.setdefault(key, []).append(event.delta)
            return
        whole = event.get(_FIELDS[name][1])
        if isinstance(whole, str) and whole:
            self._texts[key] = [whole]

    def done_items(self) -> list[Item]:
        """The items that the host marked as done."""
        return [self._done[index] for index in sorted(self._done)]

    def complete(self, output: list[Item]) -> list[Item]:
        """The output of the host's last event, with empty items replaced by the streamed ones."""
        if output and all(_has_content(item) for item in output):
            return output
        streamed = self._all_items()
        if not output:
            return [streamed[index] for index in sorted(streamed)]
        return [
            item if _has_content(item) else streamed.get(index, item)
            for index, item in enumerate(output)
        ]

    def _all_items(self) -> dict[int, Item]:
        """Every item; those never marked as done are built from their pieces."""
        found = {index: {**item} for index, item in self._begun.items()}
        for key in sorted(self._texts):
            index, _, name = key
            kind, field = _FIELDS[name]
            text = "".join(self._texts[key])
            item = found.setdefault(index, {"type": kind, "id": f"{kind}_{index}"})
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

    def _index_of(self, event: ResponseEvent, item_id: Any) -> int:
        """The item's index in the output.

        As given, else that of its id, else the last or next one.
        """
        index = event.output_index
        if index is None:
            index = self._indexes.get(item_id)
        if index is None:
            last = max((*self._begun, *self._done), default=-1)
            index = max(last + (item_id is not None and event.item is not None), 0)
        if isinstance(item_id, str):
            self._indexes[item_id] = index
        return index


def _has_content(item: Item) -> bool:
    """Whether an item holds what its type requires, a text or a name; true for other types."""
    kind = item.get("type")
    if kind == "message":
        return bool(item.get("content"))
    return kind != "function_call" or bool(item.get("name"))
