"""Corrects fields of a host's responses whose types are wrong.

An otherwise good answer must not fail because of a time with a fraction, a null in place of a list,
or a numeric id. A field that has a meaning is converted; any other is left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, cast

from puna.types.counts import is_number

Fields = dict[str, Any]

_STATUS_OF_EVENTS: Mapping[str, str] = {
    "response.created": "in_progress",
    "response.in_progress": "in_progress",
    "response.queued": "queued",
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
}
_COUNTS = ("input_tokens", "output_tokens", "total_tokens")
_DETAILS = (
    ("input_tokens_details", "cached_tokens"),
    ("output_tokens_details", "reasoning_tokens"),
)
_CALL_TEXTS = {"function_call": "arguments", "custom_tool_call": "input"}


def mend_fields(data: Fields, *, now: float, made_id: str, event: str = "") -> None:
    """Correct the fields of a response; `data` is changed in place.

    Args:
        data: a response, whole or inside an event.
        now: Unix time in seconds, for a response without a time.
        made_id: the base of generated item ids, where a host gives none.
        event: the type of the event around it, which implies the status where the host gives none.
    """
    data["object"] = "response"
    created = _to_int(data.get("created_at"))
    data["created_at"] = int(now) if created is None else created
    if "completed_at" in data:
        data["completed_at"] = _to_int(data["completed_at"])
    data["error"] = _mend_error(data.get("error"))
    data["incomplete_details"] = _mend_incomplete(data.get("incomplete_details"))
    if not isinstance(data.get("status"), str):
        data["status"] = _STATUS_OF_EVENTS.get(event) or _guess_status(data)
    output = data.get("output")
    if output is None:
        data["output"] = []
    elif isinstance(output, list):
        items = [one for one in cast("list[Any]", output) if one is not None]
        for place, item in enumerate(items):
            mend_item(item, f"{made_id}_{place}")
        data["output"] = items
    if "usage" in data:
        data["usage"] = _mend_usage(data["usage"])


def mend_event(fields: Fields, made_id: str) -> None:
    """Correct the fields of an event, except for its response; changed in place."""
    for name in ("output_index", "content_index"):
        if name in fields and not _is_int(fields[name]):
            place = _to_int(fields.pop(name))
            if place is not None:
                fields[name] = place
    if "item_id" in fields:
        _make_text(fields, "item_id")
    for name in ("item", "part", "response"):
        if name in fields and not isinstance(fields[name], dict):
            fields[name] = None
    if fields.get("item") is not None:
        mend_item(fields["item"], f"{made_id}_{fields.get('output_index', 0)}")
    part = fields.get("part")
    if part is not None and not isinstance(part.get("type"), str):
        part["type"] = "output_text"


def mend_item(item: Any, made_id: str) -> None:
    """Correct the fields of an output item; changed in place."""
    if not isinstance(item, dict):
        return
    given = cast("Fields", item)
    if not isinstance(given.get("type"), str):
        given["type"] = "function_call" if "arguments" in given else "message"
    if "id" in given:
        _make_text(given, "id")
    if "status" in given and not isinstance(given["status"], str):
        del given["status"]
    mend = _ITEMS.get(given["type"])
    if mend is not None:
        given.setdefault("id", _call_id(given) or made_id)
        mend(given)


def _mend_message(item: Fields) -> None:
    """Correct the role, status and content of a message item."""
    item.setdefault("status", "completed")
    if not isinstance(item.get("role"), str):
        item["role"] = "assistant"
    item["content"] = _mend_parts(item.get("content"))


def _mend_reasoning(item: Fields) -> None:
    """Correct the summary of a reasoning item."""
    if not isinstance(item.get("summary"), list):
        item["summary"] = []


def _mend_call(item: Fields) -> None:
    """Correct the ids, name and arguments of a call item."""
    item.setdefault("status", "completed")
    item["call_id"] = _call_id(item) or item["id"]
    if not isinstance(item.get("name"), str):
        item["name"] = ""
    field = _CALL_TEXTS[item["type"]]
    text = item.get(field)
    if not isinstance(text, str):
        item[field] = "" if text is None else json.dumps(text, ensure_ascii=False)


_ITEMS: Mapping[str, Callable[[Fields], None]] = {
    "message": _mend_message,
    "reasoning": _mend_reasoning,
    **dict.fromkeys(_CALL_TEXTS, _mend_call),
}


def _call_id(item: Fields) -> str | None:
    """The id of a call, as a text; None where it has none."""
    _make_text(item, "call_id")
    return item.get("call_id")


def _mend_parts(content: Any) -> list[Any]:
    """The parts of a message's content, corrected; a bare text becomes one part."""
    if isinstance(content, str):
        return [{"type": "output_text", "text": content, "annotations": []}]
    if not isinstance(content, list):
        return []
    parts = [one for one in cast("list[Any]", content) if one is not None]
    for part in parts:
        if isinstance(part, dict):
            _mend_part(cast("Fields", part))
    return parts


def _mend_part(part: Fields) -> None:
    """Correct the type, text and lists of a content part."""
    if not isinstance(part.get("type"), str):
        part["type"] = "refusal" if "refusal" in part else "output_text"
    if part["type"] == "output_text":
        if not isinstance(part.get("text"), str):
            part["text"] = ""
        for name in ("annotations", "logprobs"):
            if name in part and not isinstance(part[name], list):
                part[name] = []
        part.setdefault("annotations", [])


def _make_text(fields: Fields, name: str) -> None:
    """Convert a field that is a text or a number to a text; remove anything else."""
    value = fields.get(name)
    if isinstance(value, str) and value:
        return
    if is_number(value):
        fields[name] = str(value)
    else:
        fields.pop(name, None)


def _mend_error(error: Any) -> Fields | None:
    """The error of a failed response as code and message; None where it is empty."""
    if isinstance(error, str) and error:
        return {"code": "server_error", "message": error}
    if not isinstance(error, dict) or not error:
        return None
    told = cast("Fields", error)
    code, message = told.get("code") or told.get("type"), told.get("message")
    return {
        **told,
        "code": str(code) if isinstance(code, str | int) and code else "server_error",
        "message": message if isinstance(message, str) else json.dumps(message or told),
    }


def _mend_incomplete(details: Any) -> Fields | None:
    """The `incomplete_details` as an object with a reason; None where they are empty."""
    if isinstance(details, str) and details:
        return {"reason": details}
    if not isinstance(details, dict) or not details:
        return None
    told = cast("Fields", details)
    return {**told, "reason": str(told["reason"])} if told.get("reason") is not None else None


def _guess_status(data: Fields) -> str:
    """The status of a whole response that has none, from its other fields."""
    if data["error"] is not None:
        return "failed"
    return "incomplete" if data["incomplete_details"] is not None else "completed"


def _mend_usage(usage: Any) -> Fields | None:
    """A usage with counts as ints and with details; None where a count is invalid."""
    if not isinstance(usage, dict):
        return None
    told = cast("Fields", usage)
    for name in _COUNTS:
        if name in told and not _is_int(told[name]):
            count = _to_int(told[name])
            if count is None and told[name] is not None:
                return None
            told.pop(name) if count is None else told.update({name: count})
    if {"input_tokens", "output_tokens"} <= told.keys():
        told.setdefault("total_tokens", told["input_tokens"] + told["output_tokens"])
    for outer, inner in _DETAILS:
        details = told.get(outer)
        given = cast("Fields", details) if isinstance(details, dict) else {}
        told[outer] = {**given, inner: _to_int(given.get(inner)) or 0}
    return told


def _is_int(value: Any) -> bool:
    """Whether a value is an int, and not a boolean."""
    return isinstance(value, int) and not isinstance(value, bool)


def _to_int(value: Any) -> int | None:
    """A number, or a numeric text, as an int; None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if not is_number(value) or not math.isfinite(value):
        return None
    return int(value)
