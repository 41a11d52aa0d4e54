"""Tools of chat, and their choice, in the Messages API."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.over_messages import EPHEMERAL, SCHEMA, build

FUNCTION = {"name": "get_weather", "description": "The weather", "parameters": SCHEMA}
TOOL = {"type": "function", "function": FUNCTION}


@pytest.mark.parametrize(
    ("params", "choice"),
    [
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
         {"type": "tool", "name": "get_weather"}),
        ({"tool_choice": {"type": "any"}}, {"type": "any"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"parallel_tool_calls": True}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_the_choice_of_tools(params: dict[str, Any], choice: Any) -> None:
    assert build(tools=[TOOL], **params)[0].get("tool_choice") == choice


def test_functions_become_tools_and_others_stay() -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    bare = {"type": "function", "function": {"name": "f", "strict": True}, **EPHEMERAL}
    assert build(tools=[TOOL, bare, search])[0]["tools"] == [
        {"name": "get_weather", "description": "The weather", "input_schema": SCHEMA},
        {
            "name": "f",
            "strict": True,
            "input_schema": {"type": "object", "properties": {}},
            **EPHEMERAL,
        },
        search,
    ]


def test_a_single_call_without_tools_is_no_choice() -> None:
    assert "tool_choice" not in build(parallel_tool_calls=False)[0]
