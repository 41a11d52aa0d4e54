"""Builds the events of a stream from a response that came whole, though a stream was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from puna.bridges.responses.output import IN_PROGRESS
from puna.types.responses import Response, ResponseEvent

_PARTS = {"output_text": "text", "refusal": "refusal"}
"""The parts of a message whose words come as deltas, and where these stand."""

_CALLS = {
    "function_call": ("function_call_arguments", "arguments"),
    "custom_tool_call": ("custom_tool_call_input", "input"),
}
"""The items whose words come as deltas: the word of their events, and where the words stand."""

Fields = dict[str, Any]


def events_of(response: Response) -> list[ResponseEvent]:
    """Build all events of a response, numbered from 0, with each text as one delta."""
    whole = response.to_dict()
    begun = {**whole, "status": IN_PROGRESS, "output": [], "usage": None}
    told: list[Fields] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(whole["output"]):
        told += ({**event, "output_index": index} for event in _item_events(item))
    told.append({"type": f"response.{response.status}", "response": whole})
    return [
        ResponseEvent.model_validate({**event, "sequence_number": number})
        for number, event in enumerate(told)
    ]


def _item_events(item: Fields) -> Iterator[Fields]:
    """The events of one output item."""
    yield {"type": "response.output_item.added", "item": _added_item(item)}
    place = {"item_id": item.get("id")}
    if item.get("type") == "message":
        for index, part in enumerate(item.get("content") or ()):
            yield from _part_events(part, {**place, "content_index": index})
    elif item.get("type") in _CALLS:
        word, field = _CALLS[item["type"]]
        named = {"name": item.get("name")} if item["type"] == "function_call" else {}
        if item.get(field):
            yield {"type": f"response.{word}.delta", **place, "delta": item[field]}
        yield {"type": f"response.{word}.done", **place, **named, field: item.get(field) or ""}
    yield {"type": "response.output_item.done", "item": item}


def _added_item(item: Fields) -> Fields:
    """The item in the event `output_item.added`: without its content; unknown types as they are."""
    kind = item.get("type")
    if kind == "message":
        return {**item, "status": IN_PROGRESS, "content": []}
    if kind in _CALLS:
        return {**item, "status": IN_PROGRESS, _CALLS[kind][1]: ""}
    return item


def _part_events(part: Fields, place: Fields) -> Iterator[Fields]:
    """The events of one part of a message."""
    word = part.get("type")
    field = _PARTS.get(str(word))
    lists: Fields = {name: [] for name in ("annotations", "logprobs") if name in part}
    begun = {**part, field: "", **lists} if field is not None else part
    yield {"type": "response.content_part.added", **place, "part": begun}
    if field is not None:
        told = {"logprobs": part.get("logprobs") or []} if word == "output_text" else {}
        if part.get(field):
            yield {"type": f"response.{word}.delta", **place, **told, "delta": part[field]}
        yield {"type": f"response.{word}.done", **place, **told, field: part.get(field) or ""}
    yield {"type": "response.content_part.done", **place, "part": part}
