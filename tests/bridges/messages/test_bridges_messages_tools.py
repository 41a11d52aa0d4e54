"""Tools of the Messages API as functions of chat."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.messages_requests import HI, SCHEMA, WEATHER, read

from puna.bridges.tool_names import alias_of
from puna.types.requests import make_chat_request

LONG_NAME = "mcp__a_server_with_quite_a_name__" + "a_tool_" * 8


def test_tools_become_functions() -> None:
    asked = read(tools=[{**WEATHER, "type": "custom"}, {"name": "f", "input_schema": {}}])
    assert asked.fields["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "get_weather",
                "description": "The weather",
                "parameters": SCHEMA,
            },
        },
        {"type": "function", "function": {"name": "f", "parameters": {}}},
    ]


@pytest.mark.parametrize(
    ("choice", "fields"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "get_weather"},
            {"tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
        ),
        (
            {"type": "auto", "disable_parallel_tool_use": True},
            {"tool_choice": "auto", "parallel_tool_calls": False},
        ),
        ({"type": "any", "disable_parallel_tool_use": False}, {"tool_choice": "required"}),
        (None, {}),
    ],
)
def test_tool_choice_becomes_that_of_chat(choice: Any, fields: dict[str, Any]) -> None:
    asked = read(tools=[WEATHER], tool_choice=choice)
    found = {name: value for name, value in asked.fields.items() if "tool" in name}
    del found["tools"]
    assert found == fields


def test_a_name_that_is_too_long_for_chat_travels_under_an_alias() -> None:
    call = {"type": "tool_use", "id": "t", "name": LONG_NAME, "input": {}}
    asked = read(
        tools=[{"name": LONG_NAME, "input_schema": {}}],
        tool_choice={"type": "tool", "name": LONG_NAME},
        messages=[*HI, {"role": "assistant", "content": [call]}],
    )
    alias = alias_of(LONG_NAME)
    assert len(alias) == 64
    assert alias != alias_of(LONG_NAME + "x")
    assert asked.tool_names == {alias: LONG_NAME}
    assert asked.fields["tools"][0]["function"]["name"] == alias
    assert asked.fields["tool_choice"]["function"]["name"] == alias
    assert asked.messages[1]["tool_calls"][0]["function"]["name"] == alias
    make_chat_request("m", asked.messages, asked.fields)
