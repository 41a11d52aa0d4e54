"""What Ollama is sent. Plain cases are in `tests/fixtures/ollama/requests.json`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.support.contexts import request_for

from puna.bridges.histories.order import NO_RESULT
from puna.dialects.base import BuiltRequest, Target
from puna.dialects.table import DIALECTS
from puna.errors import BadRequestError, ContextWindowExceededError, UnsupportedParamsError
from puna.providers.base import resolve_target
from puna.providers.table import PROVIDERS
from puna.types.requests import ChatRequest
from puna.wire.http import Timeouts

ROW = PROVIDERS["ollama"]
TARGET = resolve_target(ROW, "llama3.2", {})
PNG = "iVBORw0KGgo="
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
LONG = "word " * 20_000


def build(request: ChatRequest, target: Target = TARGET) -> BuiltRequest:
    return DIALECTS["ollama_native"].build_request(request, target, Timeouts())


def body_of(target: Target = TARGET, **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(
        build(request_for("ollama/llama3.2", **fields), target).http.body
    )
    return body


def size_of(target: Target = TARGET, **fields: Any) -> int:
    size: int = body_of(target, **fields)["options"]["num_ctx"]
    return size


def said(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize(
    "base",
    [
        "http://box:1",
        "http://box:1/",
        "http://box:1/api",
        "http://box:1/v1",
        "http://box:1/api/chat",
    ],
)
def test_a_base_may_have_the_endings_that_people_write(base: str) -> None:
    target = resolve_target(ROW, "m", {"OLLAMA_API_BASE": base})
    assert build(request_for("ollama/m"), target).http.url == "http://box:1/api/chat"
    below = resolve_target(ROW, "m", {}, api_base="http://box:1/models/ollama")
    assert build(request_for("ollama/m"), below).http.url == "http://box:1/models/ollama/api/chat"


def test_the_context_grows_with_the_prompt_in_steps() -> None:
    assert size_of(max_tokens=100) == 4_096
    assert size_of() == 8_192  # room for an answer of unknown length
    assert size_of(messages=said("word " * 5_000), max_tokens=100) == 8_192
    assert size_of(messages=said(LONG)) == 32_768
    assert size_of(messages=said(LONG), max_tokens=20_000) == 65_536
    assert size_of(messages=said(LONG * 3)) == 98_304
    assert size_of(max_tokens=100, tools=TOOLS * 300) == 8_192


def test_the_step_is_large_enough_for_the_prompt_and_the_answer() -> None:
    for words in (10, 3_000, 3_300, 6_500, 13_000, 30_000, 80_000):
        size = size_of(messages=said("word " * words), options={"num_predict": 500})
        assert words + 500 < size <= max(4_096, 2 * (words * 5 // 4 + 600), 32_768)


def test_an_answer_without_limit_gets_the_usual_room() -> None:
    assert size_of(options={"num_predict": -1}) == size_of(options={"num_predict": -2}) == size_of()


def test_an_image_needs_room_as_well() -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    assert size_of(messages=[{"role": "user", "content": [image] * 2}], max_tokens=1) == 8_192


def test_a_callers_own_context_is_sent_as_it_is() -> None:
    assert size_of(num_ctx=2_000) == 2_000
    assert size_of(options={"num_ctx": 2_000}) == 2_000
    body = body_of(num_ctx=3_000, options={"num_ctx": 2_000})
    assert body["options"]["num_ctx"] == 2_000
    assert "num_ctx" not in body


def test_a_known_window_is_never_passed() -> None:
    target = replace(TARGET, context_tokens=6_000)
    assert size_of(target) == 6_000
    assert size_of(target, max_tokens=5) == 4_096


@pytest.mark.parametrize(
    ("target", "fields", "words"),
    [
        (TARGET, {"num_ctx": 8_192}, ["the `num_ctx` of `8192`", "raise `num_ctx`"]),
        (TARGET, {"options": {"num_ctx": 8_192}}, ["the `num_ctx` of `8192`"]),
        (replace(TARGET, context_tokens=8_192), {}, ["the model's context of `8192`", "larger"]),
    ],
)
def test_a_prompt_that_cannot_fit_is_refused(
    target: Target, fields: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ContextWindowExceededError) as raised:
        body_of(target, messages=said(LONG), **fields)
    error = raised.value
    assert (error.param, error.provider, error.model) == ("messages", "ollama", "ollama/llama3.2")
    for word in (*words, "Nothing was sent"):
        assert word in str(error)


def test_what_may_fit_is_sent_and_ollama_is_told_not_to_cut_it() -> None:
    # The estimate is 20,000 and may be too high: only the host knows.
    body = body_of(messages=said(LONG), num_ctx=16_000)
    assert (body["truncate"], body["shift"]) == (False, False)


def test_who_wants_a_prompt_cut_may_have_that() -> None:
    body = body_of(messages=said(LONG), num_ctx=2_048, truncate=True, shift=True)
    assert (body["truncate"], body["shift"], body["options"]) == (True, True, {"num_ctx": 2_048})


def test_what_is_never_to_be_sent_is_not_added_either() -> None:
    request = replace(
        request_for("ollama/m"), unwanted_params=frozenset(("num_ctx", "truncate", "shift"))
    )
    body = json.loads(build(request).http.body)
    assert body.keys() == {"model", "messages", "stream", "options"}
    assert body["options"] == {}


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"num_ctx": "8k"}, "num_ctx", "whole number above 0, not `8k`"),
        ({"num_ctx": 0}, "num_ctx", "whole number above 0"),
        ({"num_ctx": True}, "num_ctx", "whole number above 0"),
        ({"options": [1]}, "options", "must be an object"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort", "none, minimal, low, medium, high"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", "tools of the type `function` only"),
    ],
)
def test_what_has_no_meaning_is_refused(fields: dict[str, Any], param: str, words: str) -> None:
    with pytest.raises(BadRequestError, match=words) as raised:
        body_of(**fields)
    assert (raised.value.param, raised.value.provider) == (param, "ollama")


@pytest.mark.parametrize(
    ("model", "effort", "think"),
    [
        ("llama3.2", "none", False),
        ("llama3.2", "low", True),
        ("llama3.2", "max", True),
        ("gpt-oss:20b", "minimal", "low"),
        ("gpt-oss:20b", "medium", "medium"),
        ("gpt-oss:20b", "xhigh", "high"),
    ],
)
def test_an_effort_is_a_level_for_models_that_have_levels(
    model: str,
    effort: str,
    think: bool | str,  # noqa: FBT001 - a row of the table
) -> None:
    assert body_of(replace(TARGET, model=model), reasoning_effort=effort)["think"] == think


def test_a_model_that_always_thinks_is_not_told_otherwise() -> None:
    target = replace(TARGET, model="gpt-oss:20b")
    request = request_for("ollama/gpt-oss:20b", reasoning_effort="none")
    with pytest.raises(UnsupportedParamsError, match="low, medium or high") as raised:
        build(request, target)
    assert raised.value.param == "reasoning_effort"
    built = build(replace(request, drop_params=True), target)
    assert "think" not in json.loads(built.http.body)
    assert built.dropped_params == ("reasoning_effort",)


def test_a_conversation_with_tools_is_told_in_ollamas_words() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    bare = {"type": "function", "function": {"name": "g", "arguments": ""}}
    messages = [
        {"role": "developer", "content": "Be brief.", "name": "boss"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "tool_calls": [call, bare], "thinking": "Hm."},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c9", "name": "h", "content": "two"},
        {"role": "function", "name": "old", "content": "three"},
    ]
    built = build(request_for("ollama/llama3.2", messages=messages, tools=TOOLS))
    sent = json.loads(built.http.body)["messages"]
    made_id = sent[2]["tool_calls"][1]["id"]
    assert sent == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "a\nb"},
        {
            "role": "assistant",
            "content": "",
            "thinking": "Hm.",
            "tool_calls": [
                {"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}},
                {"id": made_id, "function": {"name": "g", "arguments": {}}},
            ],
        },
        {"role": "tool", "content": "one", "tool_call_id": "c1", "tool_name": "f"},
        {"role": "tool", "content": NO_RESULT, "tool_call_id": made_id, "tool_name": "g"},
        {
            "role": "user",
            "content": "[result of the tool call `c9` of `h`, which is not here]\ntwo",
        },
        {"role": "tool", "content": "three", "tool_name": "old"},
    ]
    assert built.dropped_params == (
        "messages[].tool_calls[].result",
        "messages[].tool_call_id",
        "messages[].name",
    )


def test_stream_options_of_a_whole_reply_are_left_out_and_told() -> None:
    built = build(request_for("ollama/m", stream_options={"include_usage": True}))
    assert "stream_options" not in json.loads(built.http.body)
    assert built.dropped_params == ("stream_options",)


def test_a_result_whose_call_is_not_there_is_the_users() -> None:
    messages = [{"role": "tool", "tool_call_id": "c1", "content": "one"}]
    assert body_of(messages=messages)["messages"] == [
        {"role": "user", "content": "[result of the tool call `c1`, which is not here]\none"}
    ]


@pytest.mark.parametrize("arguments", ["{broken", "[1]", "1", [1]])
def test_arguments_that_are_no_object_are_kept_as_text_in_one(arguments: Any) -> None:
    call = {"id": "c1", "function": {"name": "f", "arguments": arguments}}
    messages = [*said("Hi"), {"role": "assistant", "tool_calls": [call]}]
    sent = body_of(messages=messages)["messages"][1]["tool_calls"][0]["function"]["arguments"]
    assert sent == {"INVALID_JSON": arguments if isinstance(arguments, str) else "[1]"}


def test_images_stand_beside_the_text_as_base64() -> None:
    content = [
        {"type": "text", "text": "What is it?"},
        {
            "type": "image_url",
            "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"},
        },
    ]
    request = request_for("ollama/llama3.2", messages=[{"role": "user", "content": content}])
    built = build(request)
    (message,) = json.loads(built.http.body)["messages"]
    assert message == {"role": "user", "content": "What is it?", "images": [PNG]}
    assert built.dropped_params == ("messages[].content[].image_url.detail",)


@pytest.mark.parametrize("url", ["https://example.com/a.png", "data:image/png,abc", "/etc/passwd"])
def test_an_image_that_is_no_base64_is_refused_and_not_fetched(url: str) -> None:
    content = [{"type": "image_url", "image_url": {"url": url}}]
    with pytest.raises(BadRequestError, match="Puna fetches none") as raised:
        body_of(messages=[{"role": "user", "content": content}])
    assert raised.value.param == "messages[0].content[0].image_url.url"
    assert url not in str(raised.value)


def test_a_part_that_is_neither_text_nor_image_is_refused() -> None:
    content = [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]
    with pytest.raises(BadRequestError, match="text and images only") as raised:
        body_of(messages=[{"role": "user", "content": content}])
    assert raised.value.param == "messages[0].content[0].type"


def test_a_legacy_call_in_a_message_is_refused() -> None:
    message = {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}
    with pytest.raises(UnsupportedParamsError) as raised:
        body_of(messages=[*said("Hi"), message])
    assert raised.value.param == "messages[1].function_call"


def test_the_window_of_a_model_comes_from_the_catalogue() -> None:
    assert resolve_target(PROVIDERS["embedded"], "smollm2-135m", {}).context_tokens == 2_048
    assert TARGET.context_tokens is None
