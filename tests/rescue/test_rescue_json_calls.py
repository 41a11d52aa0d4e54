"""Which JSON is a call of a known tool, and which is only JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from puna.rescue.json_calls import read_json, read_json_calls
from puna.rescue.tools import KnownTools

TOOLS = KnownTools([{"type": "function", "function": {"name": "get", "parameters": {}}}])
CALL = {"name": "get", "parameters": {"a": 1}}


def found(value: Any) -> list[tuple[str, Any]] | None:
    calls = read_json_calls(value if isinstance(value, str) else json.dumps(value), TOOLS)
    return None if calls is None else [(c.name, json.loads(c.arguments)) for c in calls]


@pytest.mark.parametrize(
    "shape",
    [
        CALL,
        {"name": "get", "arguments": {"a": 1}},
        {"name": "get", "arguments": '{"a": 1}'},
        {"type": "function", **CALL},
        {"id": "c", "index": 0, **CALL},
        {"type": "function", "function": CALL},
        [CALL],
        {"tool_calls": [{"function": CALL}]},
    ],
)
def test_every_shape_of_a_call_is_one(shape: Any) -> None:
    assert found(shape) == [("get", {"a": 1})]


@pytest.mark.parametrize(
    "value",
    [
        {"name": "other", "parameters": {}},
        {"name": "get", "description": "Gets.", "parameters": {}},
        {"name": "get"},
        {"name": "get", "parameters": {}, "arguments": {}},
        {"name": "get", "parameters": [1]},
        {"name": "get", "parameters": "{"},
        {"type": "custom", **CALL},
        {"name": "get", "function": CALL},
        {"function": {**CALL, "strict": True}},
        [CALL, {"a": 1}],
        [],
        {"tool_calls": [], "x": 1},
        5,
        '{"name": "get", "parameters": {"a": NaN}}',
        "[" * 100_000,
    ],
)
def test_what_is_not_wholly_calls_is_none(value: Any) -> None:
    assert found(value) is None


def test_strings_may_hold_line_breaks() -> None:
    assert read_json('{"a": "b\nc"}') == {"a": "b\nc"}
    assert read_json("{") is None
