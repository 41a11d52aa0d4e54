"""Requests of the Messages API as requests of chat."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.messages_requests import HI, PNG, SCHEMA, WEATHER, chat_of, plain, read

from puna.bridges.messages.request import read_messages_request
from puna.errors import BadRequestError, UnsupportedParamsError

# What is mapped


@pytest.mark.case(125)
def test_plain_fields_become_those_of_chat() -> None:
    asked = read(temperature=0.5, top_p=0.9, top_k=40, stop_sequences=["END"], system="Be brief.")
    assert asked.fields == {
        "max_tokens": 8,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "stop": ["END"],
    }
    assert asked.messages == [{"role": "system", "content": "Be brief."}, *HI]
    assert asked.dropped_params == ()


def test_only_what_chat_has_no_place_for_is_carried_beside_it() -> None:
    tool = {"name": "f", "input_schema": {"type": "object"}}
    asked = read(
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop_sequences=["END"],
        system="Be brief.",
        stream=True,
        tools=[tool],
        tool_choice={"type": "auto"},
        metadata={"user_id": "u"},
        output_config={"format": {"type": "json_schema", "schema": {}}, "effort": "low"},
        container="c",
    )
    assert asked.extras.fields == {"output_config": {"effort": "low"}, "container": "c"}
    older = read(output_format={"type": "json_schema", "schema": {}})
    assert older.extras.fields == {}


def test_the_users_id_becomes_user() -> None:
    assert read(metadata={"user_id": "u-1"}).fields["user"] == "u-1"
    assert "user" not in read(metadata={"user_id": None}).fields
    assert "user" not in read(metadata={}).fields


@pytest.mark.parametrize("place", ["output_config", "output_format"])
def test_a_schema_for_the_answer_becomes_a_response_format(place: str) -> None:
    wanted: Any = {"type": "json_schema", "schema": SCHEMA}
    if place == "output_config":
        wanted = {"format": wanted}
    assert read(**{place: wanted}).fields["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "response", "schema": SCHEMA},
    }


def test_to_count_tokens_no_limit_is_needed() -> None:
    assert read_messages_request({"messages": HI}, is_count=True).messages == HI


# What is left out


@pytest.mark.parametrize(
    ("fields", "dropped"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, ("thinking",)),
        ({"thinking": {"type": "adaptive"}}, ("thinking",)),
        ({"thinking": {"type": "disabled"}}, ()),
        ({"context_management": {"edits": []}}, ("context_management",)),
        ({"service_tier": "auto", "container": None}, ("service_tier",)),
        ({"cache_control": {"type": "ephemeral"}}, ("cache_control",)),
        ({"output_config": {"effort": "high", "x": None}}, ("output_config.effort",)),
        ({"mcp_servers": [{"type": "url", "url": "https://x.example"}]}, ("mcp_servers",)),
        (
            {"fallbacks": "default", "fallback_credit_token": "x"},
            ("fallbacks", "fallback_credit_token"),
        ),
        ({"x_nobody_knows": 1, "n": 3}, ("x_nobody_knows", "n")),
        (
            {"tools": [{**WEATHER, "cache_control": {}, "defer_loading": True, "strict": True}]},
            ("cache_control", "tools.defer_loading", "tools.strict"),
        ),
    ],
)
def test_what_no_host_of_llama_could_use_is_left_out_and_told(
    fields: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    chat, left_out = chat_of(read(**fields))
    assert left_out == dropped
    assert set(chat.params) <= {"max_tokens", "tools"}
    assert all(set(tool) == {"type", "function"} for tool in chat.params.get("tools", ()))


@pytest.mark.parametrize(
    ("role", "block", "told"),
    [
        ("user", {"type": "text", "text": "a", "citations": [{}]}, "messages.citations"),
        ("user", {"type": "image", "source": PNG, "transformations": {}},
         "messages.transformations"),
        ("user", {"type": "document", "citations": {"enabled": True},
                  "source": {"type": "text", "data": "a"}}, "messages.citations"),
        ("user", {"type": "tool_result", "tool_use_id": "t", "toolset_name": "x"},
         "messages.toolset_name"),
        ("user", {"type": "tool_result", "tool_use_id": "t", "cache_control": {}}, "cache_control"),
        ("assistant", {"type": "tool_use", "id": "t", "name": "f", "input": {},
                       "caller": {"type": "code_execution"}}, "messages.caller"),
        ("assistant", {"type": "tool_use", "id": "t", "name": "f", "input": {},
                       "cache_control": {}}, "cache_control"),
    ],
)  # fmt: skip
def test_fields_of_blocks_that_a_host_of_chat_has_not_are_told(
    role: str, block: dict[str, Any], told: str
) -> None:
    bare = {key: value for key, value in block.items() if key != told.rpartition(".")[2]}
    asked = read(messages=[*HI, {"role": role, "content": [block]}])
    without = read(messages=[*HI, {"role": role, "content": [{**bare, "x": None}]}])
    assert plain(asked) == (plain(without)[0], (told,))
    assert plain(without)[1] == ()


def test_the_caller_that_puna_tells_itself_is_no_news() -> None:
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": {"type": "direct"}}
    assert plain(read(messages=[*HI, {"role": "assistant", "content": [call]}]))[1] == ()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [WEATHER, {"type": "web_search_20250305", "name": "web_search"}]},
         "tools[1].type"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0].type"),
        (
            {"messages": [{"role": "user", "content": [
                {"type": "text", "text": "read"},
                {"type": "document", "source": {"type": "base64", "data": ""}}]}]},
            "messages[0].content[1].source",
        ),
        (
            {"messages": [{"role": "user", "content": [
                {"type": "text", "text": "see"},
                {"type": "image", "source": {"type": "file", "file_id": "f"}}]}]},
            "messages[0].content[1].source",
        ),
        (
            {"messages": [{"role": "user", "content": [
                {"type": "text", "text": "see"}, {"type": "container_upload"}]}]},
            "messages[0].content[1]",
        ),
    ],
)  # fmt: skip
def test_what_a_caller_would_miss_is_refused_or_dropped(fields: Any, param: str) -> None:
    with pytest.raises(UnsupportedParamsError) as raised:
        read(**fields)
    assert raised.value.param == param
    assert "set `drop_params`" in str(raised.value)
    assert read(**fields, drop_params=True).dropped_params == (param,)


# What is wrong


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages"),
        ({"messages": [], "system": "Be."}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]},
         "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]},
         "messages[0].content[0].source"),
        ({"messages": [{"role": "user", "content": [{"type": "document"}]}]},
         "messages[0].content[0].source"),
        ({"messages": [{"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "data": "x"}}]}]},
         "messages[0].content[0].source.media_type"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]},
         "messages[0].content[0].tool_use_id"),
        ({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a"}]}]},
         "messages[0].content[0].name"),
        ({"messages": [{"role": "assistant", "content": [
            {"type": "tool_use", "id": "a", "name": "f", "input": "{}"}]}]},
         "messages[0].content[0].input"),
        ({"system": 7}, "system"),
        ({"system": ["x"]}, "system[0]"),
        ({"tools": {}}, "tools"),
        ({"tools": ["x"]}, "tools[0]"),
        ({"tools": [{"name": "a b", "input_schema": {}}]}, "tools[0].name"),
        ({"tools": [{"name": "a" * 129, "input_schema": {}}]}, "tools[0].name"),
        ({"tools": [{"name": "a"}]}, "tools[0].input_schema"),
        ({"tools": [{"name": "a", "input_schema": {}, "description": 1}]}, "tools[0].description"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"tool_choice": {"type": "some"}}, "tool_choice"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "auto", "disable_parallel_tool_use": 1}},
         "tool_choice.disable_parallel_tool_use"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"stop_sequences": [1]}, "stop_sequences"),
        ({"metadata": "me"}, "metadata"),
        ({"metadata": {"user_id": 1}}, "metadata.user_id"),
        ({"output_config": 1}, "output_config"),
        ({"output_config": {"format": {"type": "text"}}}, "output_config.format"),
        ({"output_format": {"type": "json_schema"}}, "output_format"),
        ({"output_format": 1}, "output_format"),
        ({"thinking": "hard"}, "thinking"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_path(fields: Any, param: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        read(**fields)
    assert raised.value.param == param
    assert f"`{param}`" in str(raised.value)


def test_where_all_tools_are_left_out_their_choice_is_too() -> None:
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    request = read(tools=tools, tool_choice={"type": "any"}, drop_params=True)
    assert "tool_choice" not in request.fields
    assert request.dropped_params[-1] == "tool_choice"


@pytest.mark.parametrize("kind", [[], {}, 5, None])
def test_a_kind_of_choice_that_is_no_text_is_refused(kind: Any) -> None:
    with pytest.raises(BadRequestError, match="the types are auto, any"):
        read(tools=[], tool_choice={"type": kind})
