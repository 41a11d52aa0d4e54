"""Requests of the Responses API as chat messages and parameters."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from tests.support.responses_requests import CALL, PATCH, WEATHER, read, refused

from puna.errors import BadRequestError


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
