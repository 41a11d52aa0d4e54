"""Tools of the Responses API, and their choice, as those of chat."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.responses_requests import CALL, PATCH, WEATHER, read, refused

from puna.bridges.responses.request import bridge_request
from puna.bridges.responses.tools import CalledTool
from puna.errors import UnsupportedParamsError
from puna.types.response_request import make_responses_request


@pytest.mark.case(96)
def test_flat_tools_become_nested_ones_with_only_what_was_given() -> None:
    fields = read(tools=[WEATHER, {"type": "function", "name": "f", "strict": None}]).fields
    assert fields == {
        "tools": [
            {"type": "function", "function": {k: v for k, v in WEATHER.items() if k != "type"}},
            {"type": "function", "function": {"name": "f"}},
        ]
    }


def test_a_free_form_tool_is_a_function_with_one_text() -> None:
    request = read(tools=[PATCH])
    (tool,) = request.fields["tools"]
    assert request.tool_of("apply_patch").is_custom
    assert not request.tool_of("other").is_custom
    assert tool["function"]["parameters"]["required"] == ["input"]
    assert "Edit files" in tool["function"]["description"]
    assert 'start: "x"' in tool["function"]["description"]


FILES: dict[str, Any] = {
    "type": "namespace",
    "name": "mcp__files",
    "description": "Files of the project",
    "tools": [{"type": "function", "name": "list", "strict": False}, {**PATCH, "name": "edit"}],
}


def test_the_tools_of_a_namespace_are_functions_with_its_name() -> None:
    request = read(tools=[WEATHER, FILES])
    names = [tool["function"]["name"] for tool in request.fields["tools"]]
    assert names == ["get_weather", "mcp__files__list", "mcp__files__edit"]
    assert request.tool_of("mcp__files__list") == CalledTool("list", "mcp__files")
    assert request.tool_of("mcp__files__edit") == CalledTool("edit", "mcp__files", is_custom=True)
    assert request.left_out == ("tools[1].description",)
    assert request.echo["tools"][1] == FILES


def test_a_long_name_in_a_namespace_gets_an_alias_that_its_calls_have_too() -> None:
    inner = {"type": "function", "name": "n" * 60}
    call = {**CALL, "name": "n" * 60, "namespace": "mcp__files"}
    request = read([call], tools=[{**FILES, "tools": [inner]}])
    (tool,) = request.fields["tools"]
    alias = tool["function"]["name"]
    assert len(alias) == 64
    assert request.messages[0]["tool_calls"][0]["function"]["name"] == alias
    assert request.tool_of(alias) == CalledTool("n" * 60, "mcp__files")


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({**FILES, "name": "a b"}, "tools[0].name"),
        ({**FILES, "tools": None}, "tools[0].tools"),
        ({**FILES, "tools": [7]}, "tools[0].tools[0].type"),
        ({**FILES, "tools": [{"type": "web_search"}]}, "tools[0].tools[0].type"),
        ({**FILES, "tools": [{"type": "function"}]}, "tools[0].tools[0].name"),
        ({**FILES, "tools": FILES["tools"] * 2}, "tools[0].tools[2].name"),
    ],
)
def test_a_wrong_namespace_is_refused_with_its_path(tool: dict[str, Any], param: str) -> None:
    assert refused(tools=[tool]).param == param


@pytest.mark.case(107)
@pytest.mark.parametrize(
    "kind",
    [
        "web_search",
        "web_search_preview_2025_03_11",
        "file_search",
        "computer_use_preview",
        "code_interpreter",
        "mcp",
        "local_shell",
    ],
)
def test_tools_that_openais_service_runs_are_left_out_or_strictly_refused(kind: str) -> None:
    tools = [WEATHER, {"type": kind}]
    request = read(tools=tools, tool_choice="auto")
    assert request.left_out == ("tools[1]",)
    assert request.echo["tools"] == [WEATHER]
    strict = make_responses_request("m", {"input": "hi", "tools": tools}, strict_tools=True)
    with pytest.raises(UnsupportedParamsError) as raised:
        bridge_request(strict)
    assert raised.value.param == "tools[1].type"


@pytest.mark.case(107)
@pytest.mark.parametrize("kind", ["future", "web_search_", "websearch", 7, None])
def test_tools_that_nobody_knows_are_refused_or_left_out(kind: Any) -> None:
    tools = [WEATHER, {"type": kind}]
    error = refused(tools=tools)
    assert isinstance(error, UnsupportedParamsError)
    assert error.param == "tools[1].type"
    dropped = read(tools=tools, drop=True, tool_choice="auto")
    assert dropped.left_out == ("tools[1]",)
    assert len(dropped.fields["tools"]) == 1
    assert dropped.echo["tools"] == [WEATHER]


@pytest.mark.case(96)
@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("required", "required"),
        ("none", "none"),
        (
            {"type": "function", "name": "get_weather"},
            {"type": "function", "function": {"name": "get_weather"}},
        ),
        (
            {"type": "custom", "name": "apply_patch"},
            {"type": "function", "function": {"name": "apply_patch"}},
        ),
    ],
)
def test_a_tool_choice_has_chats_form(choice: Any, sent: Any) -> None:
    request = read(tools=[WEATHER, PATCH], tool_choice=choice)
    assert request.fields["tool_choice"] == sent
    assert request.echo["tool_choice"] == choice


def test_allowed_tools_are_the_only_ones_sent() -> None:
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"name": "apply_patch"}]}
    fields = read(tools=[WEATHER, PATCH], tool_choice=choice).fields
    assert [tool["function"]["name"] for tool in fields["tools"]] == ["apply_patch"]
    assert fields["tool_choice"] == "required"


@pytest.mark.parametrize(
    ("choice", "param"),
    [
        ("maybe", "tool_choice"),
        (7, "tool_choice"),
        ({"type": "function", "name": "other"}, "tool_choice.name"),
        ({"type": "web_search"}, "tool_choice.type"),
        ({"type": "allowed_tools", "mode": "x", "tools": []}, "tool_choice.mode"),
        ({"type": "allowed_tools", "tools": 7}, "tool_choice.tools"),
        ({"type": "allowed_tools", "tools": [{"name": "x"}]}, "tool_choice.tools"),
    ],
)
def test_a_wrong_tool_choice_is_refused(choice: Any, param: str) -> None:
    assert refused(tools=[WEATHER], tool_choice=choice).param == param


def test_a_choice_of_a_built_in_tool_is_left_out_under_drop_params() -> None:
    request = read(tools=[WEATHER], tool_choice={"type": "web_search"}, drop=True)
    assert "tool_choice" not in request.fields
    assert request.left_out == ("tool_choice",)
    assert "tool_choice" not in request.echo


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ("x", "tools[0]"),
        ({"type": "function", "function": {"name": "f"}}, "tools[0].name"),
        ({"type": "function", "name": "no spaces"}, "tools[0].name"),
        ({"type": "function", "name": "f", "parameters": []}, "tools[0].parameters"),
        ({"type": "custom", "name": "f", "format": "x"}, "tools[0].format"),
    ],
)
def test_a_malformed_tool_is_refused(tool: Any, param: str) -> None:
    assert refused(tools=[tool]).param == param
    assert refused(tools="x").param == "tools"
