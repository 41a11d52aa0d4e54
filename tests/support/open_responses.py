"""The HTTP cases of Open Responses' suite as requests, and what each asks of its answer."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry
from referencing.jsonschema import DRAFT202012

DOCUMENT = Path(__file__).parents[1] / "fixtures" / "open_responses" / "openapi.json"
_NAME = "urn:open-responses"

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGA"
    "hKmMIQAAAABJRU5ErkJggg=="
)
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the current weather for a location",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string"}},
        "required": ["location"],
    },
}


def _message(role: str, content: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content, **fields}


CASES: Mapping[str, dict[str, Any]] = {
    "basic-response": {"input": [_message("user", "Say hello in exactly 3 words.")]},
    "assistant-phase": {
        "input": [
            _message("user", "Count to three."),
            _message("assistant", "I count.", phase="commentary"),
            _message("user", "Go on."),
        ]
    },
    "streaming-response": {"input": [_message("user", "Count from 1 to 5.")], "stream": True},
    "system-prompt": {
        "input": [_message("system", "You are a pirate."), _message("user", "Say hello.")]
    },
    "tool-calling": {
        "input": [_message("user", "What's the weather like in San Francisco?")],
        "tools": [WEATHER],
        "tool_choice": "required",
    },
    "image-input": {
        "input": [
            _message(
                "user",
                [
                    {"type": "input_text", "text": "What do you see?"},
                    {"type": "input_image", "image_url": PIXEL},
                ],
            )
        ]
    },
    "multi-turn": {
        "input": [
            _message("user", "My name is Alice."),
            _message("assistant", "Hello Alice!"),
            _message("user", "What is my name?"),
        ]
    },
}
"""The bodies of the requests to `/responses`, but for the model."""

COMPACT: dict[str, Any] = {
    "input": [
        _message("user", "Plan a trip to Lima."),
        _message("assistant", "Fly there in May."),
        _message("user", "Good."),
    ]
}


@functools.cache
def _registry() -> Registry[Any]:
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    resource = DRAFT202012.create_resource(document)
    registry: Registry[Any] = Registry[Any]().with_resource(_NAME, resource)
    return registry


@functools.cache
def _events() -> Mapping[str, str]:
    """The schema of each type of event."""
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    content = document["paths"]["/responses"]["post"]["responses"]["200"]["content"]
    named: dict[str, str] = {}
    for one in content["text/event-stream"]["schema"]["oneOf"]:
        name = one["$ref"].rpartition("/")[2]
        (kind,) = document["components"]["schemas"][name]["properties"]["type"]["enum"]
        named[kind] = name
    return named


def check_schema(schema: str, value: Any) -> None:
    """Raise AssertionError unless a value is what the document's schema of this name says."""
    where = {"$ref": f"{_NAME}#/components/schemas/{schema}"}
    error = best_match(Draft202012Validator(where, registry=_registry()).iter_errors(value))
    assert error is None, f"{schema}{error.json_path[1:]}: {error.message}\n{json.dumps(value)}"


def check_answer(case: str, response: Any) -> None:
    """A whole response: valid, completed, and with what its case asks for."""
    check_schema("ResponseResource", response)
    assert response["status"] == "completed"
    assert response["output"]
    if case == "tool-calling":
        assert "function_call" in {item["type"] for item in response["output"]}


def check_events(case: str, events: list[dict[str, Any]]) -> None:
    """A streamed response: each event valid, the last one completed."""
    for event in events:
        check_schema(_events()[event["type"]], event)
    assert events[-1]["type"] == "response.completed"
    check_answer(case, events[-1]["response"])


def check_compaction(value: Any) -> None:
    """What `/responses/compact` gave."""
    check_schema("CompactResource", value)
    assert "compaction" in {item["type"] for item in value["output"]}
