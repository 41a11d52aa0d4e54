"""Chat requests as requests of the Messages API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.anthropic_messages import contents as answer_contents
from tests.support.chats import NAMES, PNG_URL, TEXTS, conversations

from puna.bridges.messages.request import read_messages_request
from puna.bridges.omissions import Omissions
from puna.bridges.over_messages.reply import usage_fields
from puna.bridges.over_messages.request import ModelTraits, build_messages_body
from puna.errors import BadRequestError, UnsupportedParamsError
from puna.types.messages_extras import MessagesExtras
from puna.types.requests import make_chat_request

HI: list[Any] = [{"role": "user", "content": "hi"}]
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
TRAITS = ModelTraits(default_max_tokens=64)
BUDGET = ModelTraits(default_max_tokens=8_000, thinks_by_budget=True)
EPHEMERAL = {"cache_control": {"type": "ephemeral"}}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION = {"name": "get_weather", "description": "The weather", "parameters": SCHEMA}
TOOL = {"type": "function", "function": FUNCTION}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}


def build(
    messages: Any = HI,
    *,
    extras: MessagesExtras | None = None,
    traits: ModelTraits = TRAITS,
    drop_params: bool = False,
    **params: Any,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    request = make_chat_request("m", messages, params)
    omissions = Omissions(may_drop=drop_params)
    given = {**request.params, **request.extra}
    extras = extras or MessagesExtras()
    return (
        build_messages_body(request.messages, given, extras, traits, omissions),
        omissions.names,
    )


def turns(*messages: Any) -> Any:
    return build([*HI, *messages])[0]["messages"][1:]


def spoken(**fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, **fields}


# What is mapped


def test_a_text_alone_stays_short_and_a_limit_is_always_told() -> None:
    assert build() == ({"max_tokens": 64, "messages": HI}, ())


@pytest.mark.parametrize(
    ("params", "fields"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 6}, {"max_tokens": 6}),
        ({"stop": "a"}, {"stop_sequences": ["a"]}),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"stop": []}, {}),
        (
            {"temperature": 1, "top_p": 0.5, "top_k": 3},
            {"temperature": 1, "top_p": 0.5, "top_k": 3},
        ),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"user": "u", "metadata": {"a": 1}}, {"metadata": {"a": 1, "user_id": "u"}}),
        ({"n": 1, "stream_options": {"include_usage": True}}, {}),
        ({"service_tier": "auto"}, {"service_tier": "auto"}),
        ({"response_format": {"type": "text"}}, {}),
        ({"container": "c"}, {"container": "c"}),
    ],
)
def test_parameters_have_their_own_names_there(
    params: dict[str, Any], fields: dict[str, Any]
) -> None:
    body, left_out = build(**params)
    assert body == {"max_tokens": 64, "messages": HI, **fields}
    assert left_out == ()


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


def test_system_messages_that_lead_are_the_system() -> None:
    messages = [
        {"role": "system", "content": "a"},
        {"role": "developer", "content": [{"type": "text", "text": "b", **EPHEMERAL}]},
        *HI,
        {"role": "developer", "content": "c"},
    ]
    body, _ = build(messages)
    assert body["system"] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b", **EPHEMERAL},
    ]
    assert body["messages"] == [*HI, {"role": "system", "content": "c"}]
    assert build([messages[0], *HI])[0]["system"] == "a"


def test_images_and_pdfs_are_blocks() -> None:
    pdf = {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}
    parts = [
        {"type": "image_url", "image_url": {"url": PNG_URL, "detail": "auto"}, **EPHEMERAL},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
        {"type": "file", "file": pdf},
        {"type": "text", "text": ""},
    ]
    (turn,) = turns({"role": "user", "content": parts})
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    assert turn["content"] == [
        {"type": "image", "source": PNG, **EPHEMERAL},
        {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
        {"type": "document", "source": source, "title": "a.pdf"},
    ]


def test_parts_of_the_assistant_are_texts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "No."}]
    (turn,) = turns(spoken(content=parts))
    assert turn["content"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "No."}]


def test_results_and_the_words_after_them_are_one_turn() -> None:
    image = {"type": "image_url", "image_url": {"url": PNG_URL}}
    found = turns(
        spoken(tool_calls=[CALL, {**CALL, "id": "d"}]),
        {"role": "tool", "tool_call_id": "c", "content": "one", **EPHEMERAL},
        {"role": "tool", "tool_call_id": "d", "content": [image], "is_error": True},
        {"role": "user", "content": "go on"},
        {"role": "user", "content": "now"},
    )
    assert found[1:] == [
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c", "content": "one", **EPHEMERAL},
                {
                    "type": "tool_result",
                    "tool_use_id": "d",
                    "content": [{"type": "image", "source": PNG}],
                    "is_error": True,
                },
                {"type": "text", "text": "go on"},
            ],
        },
        {"role": "user", "content": "now"},
    ]


def test_an_empty_result_is_a_result_and_an_empty_message_no_turn() -> None:
    empty = {"role": "tool", "tool_call_id": "c", "content": ""}
    result = {"type": "tool_result", "tool_use_id": "c"}
    assert turns(empty) == [{"role": "user", "content": [result]}]
    assert turns(spoken(content="")) == []


def test_what_was_thought_goes_back_as_it_came() -> None:
    hidden = {"type": "redacted_thinking", "data": "eHg="}
    unsigned = {"type": "thinking", "thinking": "a", "signature": ""}
    messages = [
        *HI,
        spoken(
            content="abc",
            refusal="No.",
            tool_calls=[{**CALL, "function": {"name": "f"}}],
            thinking_blocks=[THOUGHT, unsigned, hidden],
        ),
    ]
    body, left_out = build(messages)
    assert body["messages"][1]["content"] == [
        THOUGHT,
        hidden,
        {"type": "text", "text": "abc"},
        {"type": "text", "text": "No."},
        {"type": "tool_use", "id": "c", "name": "f", "input": {}},
    ]
    assert left_out == ("messages.thinking",)


@pytest.mark.parametrize(
    ("order", "kinds"),
    [
        ([2, "tool_use", "thinking", 1], ["text", "tool_use", "thinking", "text"]),
        (None, ["thinking", "text", "tool_use"]),
        ([3, "tool_use"], ["thinking", "text", "tool_use"]),  # another answer's
        ([3, "tool_use", "thinking", "tool_use"], ["thinking", "text", "tool_use"]),
        ([9, "tool_use", "thinking"], ["text", "tool_use", "thinking"]),  # the text stays whole
        (["x"], ["thinking", "text", "tool_use"]),
        ([True, 2, "tool_use", "thinking"], ["thinking", "text", "tool_use"]),
    ],
)  # fmt: skip
def test_blocks_go_back_in_the_order_in_which_they_came(order: Any, kinds: list[str]) -> None:
    message = spoken(content="abc", tool_calls=[CALL], thinking_blocks=[THOUGHT], block_order=order)
    (turn,) = turns(message)
    assert [block["type"] for block in turn["content"]] == kinds


# How much it thinks


@pytest.mark.parametrize(
    ("params", "fields"),
    [
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ({"reasoning_effort": "minimal"},
         {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        ({"reasoning_effort": "max"},
         {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
        ({"thinking": {"type": "disabled"}, "reasoning_effort": "low"},
         {"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}),
        ({"thinking": {"type": "enabled", "budget_tokens": 2_000}},
         {"thinking": {"type": "enabled", "budget_tokens": 2_000}}),
    ],
)  # fmt: skip
def test_effort_is_told_to_models_that_decide_themselves(
    params: dict[str, Any], fields: dict[str, Any]
) -> None:
    body, _ = build(**params)
    assert {name: body.get(name) for name in fields} == fields


@pytest.mark.parametrize(
    ("effort", "limit", "thinking"),
    [
        ("low", None, {"type": "enabled", "budget_tokens": 1_024}),
        ("high", None, {"type": "enabled", "budget_tokens": 4_096}),
        ("max", None, {"type": "enabled", "budget_tokens": 7_999}),
        ("medium", 1_500, {"type": "enabled", "budget_tokens": 1_499}),
        ("none", None, {"type": "disabled"}),
    ],
)
def test_others_get_a_budget_below_the_limit(effort: str, limit: Any, thinking: Any) -> None:
    body, _ = build(reasoning_effort=effort, max_tokens=limit, traits=BUDGET)
    assert body["thinking"] == thinking
    assert "output_config" not in body


def test_a_budget_of_the_callers_own_stays() -> None:
    own = {"type": "enabled", "budget_tokens": 5_000}
    assert build(thinking=own, reasoning_effort="low", traits=BUDGET)[0]["thinking"] == own


def test_a_limit_that_leaves_no_room_for_thoughts_is_refused() -> None:
    with pytest.raises(BadRequestError, match="above 1024") as raised:
        build(reasoning_effort="low", max_tokens=1_024, traits=BUDGET)
    assert raised.value.param == "max_tokens"


def test_what_the_caller_said_in_the_same_api_wins() -> None:
    own = {"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}, "x": 1}
    wanted = {"type": "json_schema", "json_schema": {"schema": SCHEMA, "description": "d"}}
    body, left_out = build(
        reasoning_effort="low", response_format=wanted, extras=MessagesExtras(own)
    )
    assert body["thinking"] == {"type": "disabled"}
    assert body["output_config"] == {
        "effort": "high",
        "format": {"type": "json_schema", "schema": SCHEMA},
    }
    assert body["x"] == 1
    assert left_out == ("response_format.json_schema.description",)


# What is refused or left out


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"messages": [{"role": "user", "content": [
            {"type": "text", "text": "a"}, {"type": "input_audio", "input_audio": {}}]}]},
         "messages[0].content[1]"),
    ],
)  # fmt: skip
def test_what_the_api_has_not_is_refused_or_dropped(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(UnsupportedParamsError) as raised:
        build(**fields)
    assert raised.value.param == param
    assert build(**fields, drop_params=True)[1] == (param,)


def test_fields_that_change_no_answer_are_left_out_and_told() -> None:
    part = {"type": "image_url", "image_url": {"url": PNG_URL, "detail": "low"}}
    _, left_out = build([{"role": "user", "name": "ann", "content": [part]}])
    assert left_out == ("messages[].name", "messages.image_url.detail")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 1.5}, "temperature"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"messages": [{"role": "system", "content": "a"}]}, "messages"),
        ({"messages": [{"role": "function", "name": "f", "content": "a"}]}, "messages[0].role"),
        ({"messages": [*HI, spoken(tool_calls=[
            {"id": "c", "function": {"name": "f", "arguments": "{"}}])]},
         "messages[1].tool_calls[0].function.arguments"),
        ({"messages": [*HI, spoken(tool_calls=[
            {"id": "c", "function": {"name": "f", "arguments": "[1]"}}])]},
         "messages[1].tool_calls[0].function.arguments"),
        ({"messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "ftp://x"}}]}]},
         "messages[0].content[0].image_url.url"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
         "messages[0].content[0].file.file_data"),
        ({"messages": [{"role": "user", "content": [{"type": "file"}]}]},
         "messages[0].content[0].file.file_data"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_path(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        build(**fields)
    assert raised.value.param == param
    assert f"`{param}`" in str(raised.value)


# The laws


@given(conversations())
def test_a_chat_comes_back_from_the_messages_api_as_it_was(chat: list[dict[str, Any]]) -> None:
    body, left_out = build(chat)
    again = read_messages_request(body)
    assert again.messages == chat
    assert (left_out, again.dropped_params) == ((), ())


@given(
    tools=st.lists(NAMES, max_size=3, unique=True).map(
        lambda names: [
            {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
            for name in names
        ]
    ),
    choice=st.sampled_from(["auto", "none", "required", None]),
    params=st.fixed_dictionaries(
        {"max_tokens": st.integers(1, 99)},
        optional={
            "temperature": st.floats(0, 1),
            "top_p": st.floats(0, 1),
            "top_k": st.integers(1, 9),
            "stop": st.lists(TEXTS, min_size=1, max_size=3),
            "user": TEXTS,
            "response_format": st.just(
                {"type": "json_schema", "json_schema": {"name": "response", "schema": SCHEMA}}
            ),
        },
    ),
)
def test_parameters_come_back_as_they_were(
    tools: list[Any], choice: str | None, params: dict[str, Any]
) -> None:
    if tools:
        params = {**params, "tools": tools, **({"tool_choice": choice} if choice else {})}
    body, _ = build(**params)
    assert read_messages_request(body).fields == params


MARKS = st.sampled_from([{}, EPHEMERAL])
BLOCKS_OF_TEXT = st.builds(lambda text, mark: {"type": "text", "text": text, **mark}, TEXTS, MARKS)
IMAGES = MARKS.map(lambda mark: {"type": "image", "source": PNG, **mark})


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Requests of a client that keeps what the host said, in whatever order it was said."""
    messages: list[Any] = []
    for _ in range(draw(st.integers(1, 3))):
        if not messages or messages[-1]["role"] == "assistant":
            # Two turns of the user in a row are one to the API, and may be one after the bridge.
            asks = draw(st.lists(BLOCKS_OF_TEXT, min_size=1))
            messages.append({"role": "user", "content": asks})
        said = [_as_param(block) for block in draw(answer_contents())]
        if not said:
            continue
        messages.append({"role": "assistant", "content": said})
        results = [
            {
                "type": "tool_result",
                "tool_use_id": block["id"],
                "content": draw(st.lists(BLOCKS_OF_TEXT, min_size=1, max_size=2)),
                **draw(st.sampled_from([{}, {"is_error": True}, {"is_error": False}])),
                **draw(MARKS),
            }
            for block in said
            if block["type"] == "tool_use"
        ]
        rest = draw(st.lists(BLOCKS_OF_TEXT | IMAGES, max_size=2))
        messages += [{"role": "user", "content": [*results, *rest]}] if results else []
    return {
        "max_tokens": 9,
        "system": draw(st.lists(BLOCKS_OF_TEXT, min_size=1, max_size=2)),
        "messages": messages,
        "tools": [{"name": "f", "input_schema": SCHEMA, "strict": True, **draw(MARKS)}],
        "thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "high"},
        "context_management": {"edits": []},
        "cache_control": {"type": "ephemeral"},
    }


def _as_param(block: dict[str, Any]) -> dict[str, Any]:
    """A block of an answer as its client sends it again."""
    return {k: v for k, v in block.items() if k not in ("citations", "caller")}


def spelled_out(value: Any) -> Any:
    """Contents as blocks, also where a string says the same."""
    if isinstance(value, list):
        return [spelled_out(one) for one in value]
    if not isinstance(value, dict):
        return value
    out = {name: spelled_out(one) for name, one in value.items()}
    for name in ("content", "system"):
        if isinstance(out.get(name), str):
            out[name] = [{"type": "text", "text": out[name]}]
    return out


@given(bodies())
def test_a_request_of_the_same_api_reaches_its_host_as_it_was(body: dict[str, Any]) -> None:
    asked = read_messages_request(body)
    again, left_out = build(asked.messages, extras=asked.extras, **asked.fields)
    assert spelled_out(again) == body
    assert (asked.dropped_params, left_out) == ((), ())
    json.dumps(again)


@pytest.mark.parametrize("count", [-1, 10**30])
def test_usage_of_a_message_that_is_beyond_belief_counts_as_missing(count: int) -> None:
    told = {"input_tokens": 3, "output_tokens": 4}
    assert usage_fields(told) is not None
    assert usage_fields({**told, "output_tokens": count}) is None
    assert usage_fields({**told, "cache_read_input_tokens": count}) is None
