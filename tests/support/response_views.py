"""An answer of the Responses API as both ways of the gateway must give it."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.support.asgi import Answer
from tests.support.lane_pairs import OWN_HEADERS, same_ids

_MADE = re.compile(r"\b(resp|msg|fc|rs|ctc)_[0-9a-zA-Z-]+(_\d+)?")
_TIMES = re.compile(r'"(created_at|completed_at)":\d+')


def told(answer: Answer) -> Any:
    """An answer, its texts joined however they were cut."""
    headers = {name: value for name, value in answer.headers.items() if name not in OWN_HEADERS}
    text = _TIMES.sub(r'"\1":0', _MADE.sub("ID", same_ids(answer.text)))
    if answer.headers.get("content-type") != "text/event-stream":
        return answer.status, headers, json.loads(text)
    events: list[dict[str, Any]] = []
    for number, event in enumerate(filter(None, text.split("\n\n"))):
        *names, data = event.split("\n")
        value = json.loads(data.removeprefix("data: "))
        if value["type"]:  # else it is an event of a host that does not speak this API
            assert names == [f"event: {value['type']}"]
            assert value.pop("sequence_number") == number
        last = events[-1] if events else {}
        if "delta" in value and last.get("type") == value["type"]:
            last["delta"] += value["delta"]
        else:
            events.append(value)
    return answer.status, headers, events
