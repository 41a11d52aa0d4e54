from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from tests.support.chats import conversations

from puna.bridges.histories.fit import fit_history
from puna.bridges.histories.rules import CHAT
from puna.bridges.messages.request import MessagesRequest, read_messages_request
from puna.bridges.tool_names import alias_of
from puna.dialects.request_rules import in_chats_words
from puna.errors import BadRequestError, UnsupportedParamsError
from puna.types.requests import ChatRequest, make_chat_request

HI: list[Any] = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"name": "get_weather", "description": "The weather", "input_schema": SCHEMA}
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
PNG_PART: dict[str, Any] = {
    "type": "image_url",
    "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="},
}
LONG_NAME = "mcp__a_server_with_quite_a_name__" + "a_tool_" * 8


def read(*, drop_params: bool = False, **fields: Any) -> MessagesRequest:
    body = {"max_tokens": 8, "messages": HI, **fields}
    return read_messages_request(body, drop_params=drop_params)


def turn(content: Any) -> MessagesRequest:
    return read(messages=[{"role": "user", "content": content}])


def chat_of(asked: MessagesRequest) -> tuple[ChatRequest, tuple[str, ...]]:
    """The request as a host of chat alone gets it, and all that it is not told."""
    chat = make_chat_request("m", asked.messages, asked.fields)
    plain, beyond = in_chats_words(replace(chat, messages_extras=asked.extras))
    return plain, (*asked.dropped_params, *beyond)


def plain(asked: MessagesRequest) -> tuple[list[Any], tuple[str, ...]]:
    """Its messages in chat's own words, and what was left out."""
    chat, left_out = chat_of(asked)
    return list(chat.messages), left_out


def fitted(asked: MessagesRequest) -> tuple[list[Any], tuple[str, ...]]:
    """The same, fitted to what every host of chat takes."""
    messages, left_out = plain(asked)
    dropped = dict.fromkeys(left_out)
    return list(fit_history(messages, CHAT, dropped)), tuple(dropped)


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


def test_the_blocks_of_system_become_one_message_in_their_order() -> None:
    system = [
        {"type": "text", "text": "one", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": ""},
        {"type": "text", "text": "two"},
    ]
    asked = read(system=system)
    assert asked.messages[0]["content"] == [system[0], system[2]]
    messages, left_out = plain(asked)
    assert messages[0] == {"role": "system", "content": "one\n\ntwo"}
    assert left_out == ("cache_control",)


@pytest.mark.parametrize("system", ["", [], None])
def test_an_empty_system_gives_no_message(system: Any) -> None:
    assert read(system=system).messages == HI


def test_texts_alone_become_one_string_which_every_host_reads() -> None:
    asked = turn([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])
    assert plain(asked) == ([{"role": "user", "content": "a\n\nb"}], ())


def test_images_become_parts_between_the_texts() -> None:
    asked = turn(
        [
            {"type": "text", "text": "this"},
            {"type": "image", "source": PNG},
            {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
            {"type": "text", "text": "or that?"},
        ]
    )
    assert asked.messages[0]["content"] == [
        {"type": "text", "text": "this"},
        PNG_PART,
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
        {"type": "text", "text": "or that?"},
    ]


def test_a_document_of_plain_text_becomes_text_with_its_title() -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "body"}
    asked = turn([{"type": "document", "title": "A title", "source": source}])
    assert asked.messages == [{"role": "user", "content": "A title\n\nbody"}]


def test_tool_use_becomes_calls_and_results_come_before_the_users_text() -> None:
    asked = read(
        messages=[
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "redacted_thinking", "data": "x"},
                    {"type": "text", "text": "Looking."},
                    {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": "é"}},
                    {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "one"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "t2",
                        "is_error": True,
                        "content": [
                            {"type": "text", "text": "broken"},
                            {"type": "image", "source": PNG},
                        ],
                    },
                    {"type": "text", "text": "Go on."},
                ],
            },
        ]
    )
    messages, left_out = fitted(asked)
    assert messages == [
        {
            "role": "assistant",
            "content": "Looking.",
            "tool_calls": [
                {
                    "id": "t1",
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"a":"é"}'},
                },
                {"id": "t2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "one"},
        {
            "role": "tool",
            "tool_call_id": "t2",
            "content": "Error: broken\n\n[image: in the next message]",
        },
        {"role": "user", "content": [PNG_PART, {"type": "text", "text": "Go on."}]},
    ]
    assert left_out == ("messages.thinking",)


@pytest.mark.parametrize("content", [{}, {"content": None}, {"content": []}, {"content": ""}])
def test_a_result_may_be_empty(content: dict[str, Any]) -> None:
    asked = turn([{"type": "tool_result", "tool_use_id": "t", **content}])
    assert asked.messages == [{"role": "tool", "tool_call_id": "t", "content": ""}]


def test_a_turn_of_thinking_alone_is_left_out() -> None:
    thinking = [{"type": "thinking", "thinking": "hm", "signature": ""}]
    asked = read(messages=[*HI, {"role": "assistant", "content": thinking}, *HI])
    assert fitted(asked) == ([*HI, *HI], ("messages.thinking",))


def test_an_assistant_that_said_nothing_gives_no_message() -> None:
    empty = {"role": "assistant", "content": [{"type": "text", "text": ""}]}
    assert read(messages=[*HI, empty, *HI]).messages == [*HI, *HI]


def test_what_another_models_own_tools_did_is_left_out_and_told() -> None:
    content = [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        {"type": "text", "text": "Found."},
    ]
    asked = read(messages=[*HI, {"role": "assistant", "content": content}])
    assert asked.messages[1] == {"role": "assistant", "content": "Found."}
    assert asked.dropped_params == (
        "messages.server_tool_use",
        "messages.web_search_tool_result",
    )


def test_a_system_turn_stays_where_it_is() -> None:
    asked = read(messages=[*HI, {"role": "system", "content": "Now in French."}])
    assert asked.messages[1] == {"role": "system", "content": "Now in French."}


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


# The law: chat, to Anthropic's shape, and back


def as_messages(chat: list[dict[str, Any]]) -> dict[str, Any]:
    """A chat in Anthropic's shape: a turn holds the results and the text that follow each other."""
    body: dict[str, Any] = {"max_tokens": 1, "messages": []}
    for message in chat:
        role = message["role"]
        if role == "system":
            body["system"] = message["content"]
            continue
        blocks = as_blocks(message)
        is_same_turn = role == "user" and body["messages"] and body["messages"][-1]["role"] == role
        if is_same_turn or (role == "tool" and body["messages"][-1]["role"] == "user"):
            body["messages"][-1]["content"] += blocks
        else:
            body["messages"].append({"role": "user" if role == "tool" else role, "content": blocks})
    return body


def as_blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    if message["role"] == "tool":
        return [
            {
                "type": "tool_result",
                "tool_use_id": message["tool_call_id"],
                "content": message["content"],
            }
        ]
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    blocks = [part if part["type"] == "text" else as_image(part) for part in parts]
    return blocks + [
        {
            "type": "tool_use",
            "id": call["id"],
            "name": call["function"]["name"],
            "input": json.loads(call["function"]["arguments"]),
        }
        for call in message.get("tool_calls", [])
    ]


def as_image(part: dict[str, Any]) -> dict[str, Any]:
    url = part["image_url"]["url"]
    return {"type": "image", "source": PNG if url.startswith("data:") else
            {"type": "url", "url": url}}  # fmt: skip


@given(conversations())
def test_a_chat_in_anthropics_shape_comes_back_as_it_was(chat: list[dict[str, Any]]) -> None:
    messages, left_out = plain(read_messages_request(as_messages(chat)))
    assert messages == [as_read(message) for message in chat]
    assert left_out == ()


def as_read(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if value is not None}


def test_where_all_tools_are_left_out_their_choice_is_too() -> None:
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    request = read(tools=tools, tool_choice={"type": "any"}, drop_params=True)
    assert "tool_choice" not in request.fields
    assert request.dropped_params[-1] == "tool_choice"


@pytest.mark.parametrize("kind", [[], {}, 5, None])
def test_a_kind_of_choice_that_is_no_text_is_refused(kind: Any) -> None:
    with pytest.raises(BadRequestError, match="the types are auto, any"):
        read(tools=[], tool_choice={"type": kind})
