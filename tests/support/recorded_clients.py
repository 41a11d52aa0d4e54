"""Requests in the exact form in which a client sends them, from `fixtures/clients`.

Each file has its `provenance`, the `path`, the `headers` and the `body`; `MODEL` stands for the
model's name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.asgi import Answer, House
from tests.support.provider_suite import load
from tests.support.replayed import SHARED
from tests.support.upstream import Reply, Upstream, chunk, usage_chunk

MODEL = "a-model"
ROWS = ("meta_llama", "groq", "together_ai")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A client's request."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    def sent_to(self, house: House) -> Answer:
        """What the gateway answers."""
        return house.ask(self.path, dict(self.body), self.headers)


def recorded(name: str, **fields: Any) -> Recorded:
    """The request of this name; `fields` stand in place of those of its body."""
    kept = load(SHARED / f"{name}.json")
    return Recorded(kept["path"], kept["headers"], {**kept["body"], "model": MODEL, **fields})


def house_for(upstream: Upstream, row: str, **settings: Any) -> House:
    """A gateway with one model on this row's host."""
    params = {"model": f"{row}/llama", "api_base": f"{upstream.origin}/{row}", "api_key": "k"}
    config = {
        "model_list": [{"model_name": MODEL, "litellm_params": params}],
        "litellm_settings": settings,
    }
    return House(upstream, json.dumps(config))


def streamed_calls(*calls: tuple[str, str, str], text: str, **first: Any) -> Reply:
    """A host's stream: perhaps other fields first, then text, then calls, each in two pieces."""
    opened = [chunk({"role": "assistant", "content": "", **first}), chunk({"content": text})]
    pieces: list[dict[str, Any]] = []
    for index, (call_id, name, arguments) in enumerate(calls):
        half = len(arguments) // 2
        function = {"name": name, "arguments": arguments[:half]}
        pieces.append({"index": index, "id": call_id, "type": "function", "function": function})
        pieces.append({"index": index, "function": {"arguments": arguments[half:]}})
    called = [chunk({"tool_calls": [piece]}) for piece in pieces]
    return Reply.sse(*opened, *called, chunk({}, "tool_calls"), usage_chunk())


def events_of(answer: Answer) -> list[dict[str, Any]]:
    """The events of a stream whose frames are named by their events' types."""
    assert answer.status == 200, answer.text
    events: list[dict[str, Any]] = []
    for frame in answer.text.strip().split("\n\n"):
        name, data = frame.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


def dropped_by(answer: Answer) -> list[str]:
    """What the gateway says that it left out."""
    return answer.headers["x-puna-dropped-params"].split(",")
