"""Requests to Bedrock's Converse API: tools, their choice, and its own fields."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.converse import TOOL, build

from puna.errors import BadRequestError, UnsupportedParamsError

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED: list[dict[str, Any]] = [
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "b"},
]


def body_of(**fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(build(**fields).http.body)
    return body


def test_tools_of_other_kinds_are_refused() -> None:
    with pytest.raises(BadRequestError) as raised:
        build(tools=[{"type": "web_search"}])
    assert raised.value.param == "tools[0]"
    with pytest.raises(BadRequestError) as raised:
        build(tools=[TOOL], tool_choice={"type": "allowed_tools"})
    assert raised.value.param == "tool_choice"


def test_nothing_is_left_out_in_silence() -> None:
    part = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    strict = {**TOOL, "function": {**TOOL["function"], "strict": True}, "cache_control": {}}
    messages = [
        {"role": "user", "content": [part]},
        {"role": "assistant", "content": "b", "refusal": "no"},
        {"role": "user", "content": "c", "name": "ann"},
    ]
    built = build(messages=messages, tools=[strict], stream_options={"include_usage": True})
    assert set(built.dropped_params) == {
        "messages[].content[].cache_control",
        "messages[].name",
        "messages[].refusal",
        "stream_options",
        "tools[].cache_control",
        "tools[].function.strict",
    }


def test_a_choice_of_no_tool_leaves_the_tools_out_but_for_a_history_with_calls() -> None:
    assert "toolConfig" not in body_of(tools=[TOOL], tool_choice="none")
    with pytest.raises(UnsupportedParamsError) as raised:
        build(tools=[TOOL], tool_choice="none", messages=CALLED)
    assert raised.value.param == "tool_choice"
    built = build(tools=[TOOL], tool_choice="none", messages=CALLED, drop_params=True)
    assert built.dropped_params == ("tool_choice",)
    assert "toolChoice" not in json.loads(built.http.body)["toolConfig"]


def test_own_fields_of_converse_pass_and_others_are_for_the_model() -> None:
    body = body_of(top_k=4, requestMetadata={"a": "b"}, additionalModelRequestFields={"c": 1})
    assert body["requestMetadata"] == {"a": "b"}
    assert body["additionalModelRequestFields"] == {"c": 1, "top_k": 4}
    with pytest.raises(BadRequestError) as raised:
        build(top_k=4, additionalModelRequestFields=[1])
    assert raised.value.param == "additionalModelRequestFields"
