"""Requests of the Responses API as chat messages and parameters."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from puna.bridges.responses.request import BridgedRequest, bridge_request
from puna.bridges.responses.tools import CalledTool
from puna.errors import BadRequestError, NotFoundError, UnsupportedParamsError
from puna.types.response_request import make_responses_request

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather",
    "parameters": {"type": "object"},
    "strict": False,
}
PATCH = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edit files",
    "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'},
}
CALL = {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"}


def read(given: Any = "hi", *, drop: bool = False, **fields: Any) -> BridgedRequest:
    stream = fields.pop("stream", None)
    allowed = fields.pop("allowed_openai_params", ())
    earlier = fields.pop("earlier", ())
    asked = make_responses_request(
        "m",
        {"input": given, **fields},
        stream=stream,
        earlier=earlier,
        drop_params=drop,
        allowed_params=allowed,
    )
    return bridge_request(asked)


def refused(given: Any = "hi", **fields: Any) -> BadRequestError:
    with pytest.raises(BadRequestError) as raised:
        read(given, **fields)
    return raised.value


@pytest.mark.case(93, 95)
def test_a_text_is_one_message_of_the_user_after_the_instructions() -> None:
    request = read("hi", instructions="Be short.")
    assert request.messages == (
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "hi"},
    )
    assert request.fields == {}


@pytest.mark.case(95)
def test_all_kinds_of_items_become_messages_and_neighbouring_calls_one_of_them() -> None:
    given = [
        {"role": "developer", "content": "D"},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
            ],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "xx"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Looking."}]},
        CALL,
        {"type": "reasoning", "summary": []},
        {"type": "custom_tool_call", "call_id": "c2", "name": "apply_patch", "input": "*** é"},
        {"type": "function_call_output", "call_id": "c1", "output": "warm"},
        {
            "type": "custom_tool_call_output",
            "call_id": "c2",
            "output": [{"type": "input_text", "text": "do"}, {"type": "input_text", "text": "ne"}],
        },
        {"role": "user", "content": [{"type": "input_text", "text": "go on"}]},
    ]
    assert read(given).messages == (
        {"role": "system", "content": "D"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "see"},
                {
                    "type": "image_url",
                    "image_url": {"url": "data:image/png;base64,AA", "detail": "low"},
                },
            ],
        },
        {
            "role": "assistant",
            "content": "Looking.",
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": "{}"},
                },
                {
                    "id": "c2",
                    "type": "function",
                    "function": {"name": "apply_patch", "arguments": '{"input": "*** é"}'},
                },
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "warm"},
        {"role": "tool", "tool_call_id": "c2", "content": "done"},
        {"role": "user", "content": "go on"},
    )


@pytest.mark.case(95)
def test_a_call_after_an_output_is_a_message_of_its_own() -> None:
    output = {"type": "function_call_output", "call_id": "c1", "output": "x"}
    roles = [m["role"] for m in read([CALL, output, {**CALL, "call_id": "c2"}]).messages]
    assert roles == ["assistant", "tool", "assistant"]


@pytest.mark.case(110)
@pytest.mark.parametrize(
    ("given", "param"),
    [
        ("", "input"),
        ([], "input"),
        (None, "input"),
        (7, "input"),
        ({"role": "user"}, "input"),
        (["hi"], "input[0]"),
        ([{"type": "wat"}], "input[0].type"),
        ([{}], "input[0].type"),
        ([{"role": "nobody", "content": "x"}], "input[0].role"),
        ([{"role": "user"}], "input[0].content"),
        ([{"role": "user", "content": [{"type": "input_file"}]}], "input[0].content[0].type"),
        ([{"role": "user", "content": [{"type": "input_text"}]}], "input[0].content[0].text"),
        ([{"role": "user", "content": ["x"]}], "input[0].content[0].type"),
        (
            [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}],
            "input[0].content[0].file_id",
        ),
        (
            [{"role": "user", "content": [{"type": "input_image"}]}],
            "input[0].content[0].image_url",
        ),
        ([{**CALL, "arguments": {}}], "input[0].arguments"),
        ([{**CALL, "call_id": None}], "input[0].call_id"),
        (
            [{"type": "function_call_output", "call_id": "none", "output": ""}],
            "input[0].call_id",
        ),
    ],
)
def test_wrong_input_is_refused_with_its_path(given: Any, param: str) -> None:
    error = refused(given)
    assert (error.param, error.status_code) == (param, 400)


def test_a_reference_to_an_item_that_is_not_stored_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="the item `x`, which is not stored") as raised:
        read([CALL, {"type": "item_reference", "id": "x"}])
    error = raised.value
    assert (error.param, error.status_code) == ("input[1].id", 404)


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
    assert request.called("apply_patch").is_custom
    assert not request.called("other").is_custom
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
    assert request.called("mcp__files__list") == CalledTool("list", "mcp__files")
    assert request.called("mcp__files__edit") == CalledTool("edit", "mcp__files", is_custom=True)
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
    assert request.called(alias) == CalledTool("n" * 60, "mcp__files")


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


def test_what_another_models_service_did_is_left_out_and_told() -> None:
    search = {"type": "web_search_call", "status": "completed", "id": "ws_1"}
    request = read([{"role": "user", "content": "a"}, search, search])
    assert request.messages == ({"role": "user", "content": "a"},)
    assert request.left_out == ("input.web_search_call",)


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


@pytest.mark.case(97)
def test_limit_and_text_format_have_chats_names() -> None:
    schema = {"type": "object", "properties": {}}
    form = {"type": "json_schema", "name": "n", "schema": schema, "strict": True}
    request = read(max_output_tokens=7, text={"format": form, "verbosity": "low"})
    assert request.fields == {
        "max_tokens": 7,
        "verbosity": "low",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": schema, "strict": True},
        },
    }
    assert request.echo["text"] == {"format": form, "verbosity": "low"}
    assert read(text={"format": {"type": "text"}}).fields == {}
    json_object = read(text={"format": {"type": "json_object"}}).fields
    assert json_object == {"response_format": {"type": "json_object"}}


def test_a_pydantic_class_is_a_text_format() -> None:
    class Person(BaseModel):
        name: str

    request = read(text_format=Person)
    assert request.fields["response_format"]["json_schema"]["name"] == "Person"
    assert request.echo["text"]["format"]["schema"]["required"] == ["name"]


@pytest.mark.case(108)
def test_reasoning_effort_is_left_to_chats_rule_and_a_summary_is_left_out() -> None:
    request = read(reasoning={"effort": "low", "summary": "auto"})
    assert request.fields == {"reasoning_effort": "low"}
    assert request.left_out == ("reasoning.summary",)
    assert read(reasoning={"effort": None}).fields == {}


@pytest.mark.case(109)
def test_settings_are_echoed() -> None:
    echo = read(
        metadata={"k": "v"}, user="u", truncation="auto", temperature=0.5, top_p=1, store=False
    ).echo
    assert echo["metadata"] == {"k": "v"}
    assert (echo["user"], echo["truncation"], echo["temperature"]) == ("u", "auto", 0.5)
    assert (echo["store"], echo["top_p"]) == (False, 1)
    plain = read().echo
    assert (plain["store"], plain["truncation"]) == (True, "disabled")
    assert not {"parallel_tool_calls", "tool_choice", "temperature"} & plain.keys()
    assert read(parallel_tool_calls=False).echo["parallel_tool_calls"] is False


def test_parallel_tool_calls_goes_with_tools_only() -> None:
    assert read(parallel_tool_calls=False).fields == {}
    fields = read(parallel_tool_calls=False, tools=[WEATHER]).fields
    assert fields["parallel_tool_calls"] is False


@pytest.mark.case(111)
@pytest.mark.parametrize(
    ("name", "value"),
    [("background", True), ("prompt", {"id": "p"}), ("conversation", "conv_1")],
)
def test_what_would_be_another_request_is_always_refused(name: str, value: Any) -> None:
    error = refused(**{name: value})
    assert error.param == name
    with pytest.raises(BadRequestError):
        read(drop=True, **{name: value})
    nothing: dict[str, Any] = {name: None}
    assert read(**nothing).fields == {}
    assert read(background=False).fields == {}


def test_hints_to_openais_service_are_left_out_unless_they_are_allowed() -> None:
    hints: dict[str, Any] = {
        "client_metadata": {"session": "s"},
        "prompt_cache_key": "k",
        "service_tier": "auto",
        "safety_identifier": "s",
    }
    request = read(**hints)
    assert request.fields == {}
    assert request.left_out == (
        "client_metadata",
        "prompt_cache_key",
        "safety_identifier",
        "service_tier",
    )
    assert request.echo["prompt_cache_key"] == "k"
    allowed = read(prompt_cache_key="k", allowed_openai_params=["prompt_cache_key"])
    assert allowed.fields["prompt_cache_key"] == "k"
    assert allowed.left_out == ()


def test_what_chat_cannot_do_is_refused_or_left_out() -> None:
    assert refused(moderation={"model": "m"}).param == "moderation"
    assert read(moderation={"model": "m"}, drop=True).left_out == ("moderation",)
    assert refused(include=["what.is.this"]).param == "include[0]"
    assert read(include=["what.is.this"], drop=True).left_out == ("include[0]",)
    assert read(include=["reasoning.encrypted_content"]).fields == {}
    assert read(include=["message.output_text.logprobs"]).fields == {"logprobs": True}
    assert read(top_logprobs=2).fields == {"logprobs": True, "top_logprobs": 2}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_output_tokens": -1}, "max_output_tokens"),
        ({"max_output_tokens": "7"}, "max_output_tokens"),
        ({"truncation": "some"}, "truncation"),
        ({"text": "x"}, "text"),
        ({"text": {"format": "x"}}, "text.format"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"text_format": "x"}, "text_format"),
        ({"text_format": int}, "text_format"),
        ({"reasoning": "low"}, "reasoning"),
        ({"reasoning": {"effort": 3}}, "reasoning.effort"),
        ({"instructions": ["x"]}, "instructions"),
        ({"store": "yes"}, "store"),
        ({"metadata": "x"}, "metadata"),
        ({"include": "x"}, "include"),
        ({"parallel_tool_calls": 1}, "parallel_tool_calls"),
        ({"messages": []}, "messages"),
        ({"response_format": {}}, "response_format"),
        ({"n": 2}, "n"),
    ],
)
def test_a_wrong_field_is_refused_by_its_name(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields).param == param


def test_unknown_fields_go_on_and_a_stream_asks_for_its_usage() -> None:
    request = read(top_k=3, stream=True, stream_options={"include_obfuscation": False})
    assert request.fields == {
        "top_k": 3,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.case(103)
def test_earlier_turns_stand_between_the_instructions_and_the_new_input() -> None:
    earlier = ({"type": "message", "role": "user", "content": "a"}, {**CALL, "call_id": "c9"})
    output = {"type": "function_call_output", "call_id": "c9", "output": "x"}
    request = read([output], instructions="I", earlier=earlier)
    assert [message["role"] for message in request.messages] == [
        "system",
        "user",
        "assistant",
        "tool",
    ]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "f"}])
def test_where_all_tools_are_left_out_their_choice_is_too(choice: Any) -> None:
    request = read("hi", drop=True, tools=[{"type": "web_search"}], tool_choice=choice)
    assert request.left_out == ("tools[0]", "tool_choice")
    assert "tool_choice" not in request.fields


def test_a_limit_by_its_name_in_chat_is_refused() -> None:
    with pytest.raises(BadRequestError, match="give `max_output_tokens`"):
        read("hi", max_tokens=5)


@pytest.mark.parametrize(
    ("fields", "left_out"),
    [
        ({"tools": [{**WEATHER, "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tools": [{**PATCH, "strict": True}]}, "tools[0].strict"),
        ({"text": {"format": {"type": "text"}, "tone": "dry"}}, "text.tone"),
        ({"text": {"format": {"type": "json_object", "x": 1}}}, "text.format.x"),
        ({"reasoning": {"effort": "low", "context": "all"}}, "reasoning.context"),
        ({"stream_options": {"include_obfuscation": True}}, "stream_options.include_obfuscation"),
        (
            {
                "tools": [WEATHER],
                "tool_choice": {"type": "function", "name": "get_weather", "x": 1},
            },
            "tool_choice.x",
        ),
        ({"given": [{"role": "user", "content": "a", "phase": "final"}]}, "input.message.phase"),
        ({"given": [CALL, {"type": "reasoning", "summary": []}]}, "input.reasoning"),
        (
            {"given": [{"role": "user", "content": [{"type": "input_text", "text": "a", "x": 1}]}]},
            "input.input_text.x",
        ),
    ],
)
def test_a_field_that_nobody_reads_is_told(fields: dict[str, Any], left_out: str) -> None:
    assert read(fields.pop("given", "hi"), **fields).left_out == (left_out,)


def test_what_an_answer_said_of_itself_is_sent_back_without_a_word() -> None:
    part = {"type": "output_text", "text": "a", "annotations": [], "logprobs": []}
    said = {"type": "message", "id": "m", "status": "completed", "role": "assistant"}
    call = {**CALL, "id": "fc_1", "status": "completed"}
    assert read([{**said, "content": [part]}, call]).left_out == ()
