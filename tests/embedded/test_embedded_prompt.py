"""What of a conversation the embedded model reads, and as which roles."""

from __future__ import annotations

from typing import Any

import pytest

from puna.embedded.prompt import ignored_fields, plain_messages, with_functions
from puna.errors import BadRequestError

CALL = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"x": 1}'}}


def test_a_call_is_written_out_and_its_result_is_the_users() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "assistant", "content": "wait", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "a", "content": "sunny"},
        {"role": "tool", "tool_call_id": "b", "content": "late"},
        {"role": "function", "name": "clock", "content": "noon"},
    ]
    assert plain_messages(messages) == [
        {"role": "assistant", "content": 'wait\n{"name": "weather", "arguments": {"x": 1}}'},
        {"role": "user", "content": "Result of weather: sunny"},
        {"role": "user", "content": "Result of the function: late"},
        {"role": "user", "content": "Result of clock: noon"},
    ]


def test_a_call_without_text_or_arguments_is_written_alone() -> None:
    bare = {"id": "a", "function": {"name": "f"}}
    (message,) = plain_messages([{"role": "assistant", "content": None, "tool_calls": [bare]}])
    assert message == {"role": "assistant", "content": '{"name": "f", "arguments": {}}'}


def test_text_parts_are_joined_and_other_parts_are_refused_by_their_path() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    (message,) = plain_messages([{"role": "user", "content": parts}])
    assert message["content"].split() == ["a", "b"]
    image = {"type": "image_url", "image_url": {"url": "u"}}
    with pytest.raises(BadRequestError) as raised:
        plain_messages([{"role": "user", "content": [parts[0], image]}])
    assert raised.value.param == "messages[0].content[1]"


def test_fields_that_the_model_is_not_told_are_named_once() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "a", "x": 1}], "name": "n"},
        {"role": "assistant", "content": None, "tool_calls": [{**CALL, "y": 1}], "refusal": None},
        {"role": "tool", "tool_call_id": "a", "name": "weather", "content": "sunny"},
        {"role": "tool", "tool_call_id": "a", "name": "other", "content": "sunny"},
        {"role": "function", "name": "clock", "content": "noon", "tool_calls": []},
    ]
    found = ignored_fields(messages)
    assert "messages[].content[].x" in found
    assert "messages[].tool_calls[].y" in found
    assert found.count("messages[].name") == 1
    assert ignored_fields(messages[4:]) == ("messages[].tool_calls",)
    assert ignored_fields(messages[2:3]) == ()  # the model is told whose result it is
    assert ignored_fields([messages[1], messages[3]])[-1] == "messages[].name"


def test_functions_are_told_before_the_system_prompt_ends() -> None:
    function = {"name": "f", "description": "d", "parameters": {}, "strict": True}
    told = with_functions([{"role": "user", "content": "hi"}], [function])
    assert told[0]["role"] == "system"
    assert '{"name": "f", "description": "d", "parameters": {}}' in told[0]["content"]
    assert told[1] == {"role": "user", "content": "hi"}
    (joined,) = with_functions([{"role": "system", "content": "Be brief."}], [function])
    assert joined == {"role": "system", "content": f"{told[0]['content']}\n\nBe brief."}
