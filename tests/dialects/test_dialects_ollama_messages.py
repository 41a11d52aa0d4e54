"""Messages in Ollama's words: calls, results and images."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.contexts import request_for
from tests.support.ollama import PNG, TOOLS, body_of, build, said

from puna.bridges.histories.order import NO_RESULT
from puna.errors import BadRequestError, UnsupportedParamsError


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
