from __future__ import annotations

from typing import Any

import pytest

from puna.bridges.messages.reply import message_of, parse_arguments, usage_of
from puna.bridges.messages.request import MessagesRequest
from puna.bridges.tool_names import alias_of
from puna.types.chat import ChatCompletion
from puna.types.common import Usage

DIRECT = {"caller": {"type": "direct"}}
ASKED = MessagesRequest([], stop_sequences=("END",))
USAGE = {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15}


def answer(message: dict[str, Any], **choice: Any) -> ChatCompletion:
    choice = {"index": 0, "message": message, "finish_reason": "stop", **choice}
    return ChatCompletion.model_validate(
        {
            "id": "chatcmpl-7",
            "created": 17,
            "model": "meta_llama/m",
            "choices": [choice],
            "usage": USAGE,
        }
    )


def bridged(message: dict[str, Any], asked: MessagesRequest = ASKED, **choice: Any) -> Any:
    return message_of(asked, answer(message, **choice))


@pytest.mark.case(125)
def test_a_text_becomes_a_message() -> None:
    assert bridged({"content": "Hello"}) == {
        "id": "msg_7",
        "type": "message",
        "role": "assistant",
        "model": "meta_llama/m",
        "content": [{"type": "text", "text": "Hello", "citations": None}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "container": None,
        "usage": {
            "input_tokens": 11,
            "cache_creation_input_tokens": 0,
            "cache_creation": None,
            "cache_read_input_tokens": 0,
            "output_tokens": 4,
            "output_tokens_details": None,
            "server_tool_use": None,
            "service_tier": None,
            "inference_geo": None,
        },
    }


@pytest.mark.parametrize("content", ["", None])
def test_an_empty_answer_has_no_blocks(content: str | None) -> None:
    assert bridged({"content": content})["content"] == []


@pytest.mark.parametrize(
    ("reason", "stop_reason"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("function_call", "tool_use"),
        ("content_filter", "refusal"),
        ("eos", "eos"),
        (None, "end_turn"),
    ],
)
def test_why_it_ended(reason: str | None, stop_reason: str | None) -> None:
    found = bridged({"content": "x"}, finish_reason=reason)
    assert (found["stop_reason"], found["stop_sequence"]) == (stop_reason, None)


@pytest.mark.parametrize(
    ("matched", "reason", "expected"),
    [
        ("END", "stop", ("stop_sequence", "END")),
        ("END", "length", ("max_tokens", None)),
        ("other", "stop", ("end_turn", None)),
        (128009, "stop", ("end_turn", None)),
        (None, "stop", ("end_turn", None)),
    ],
)
def test_a_stop_sequence_is_told_where_the_host_names_it(
    matched: Any, reason: str, expected: tuple[str, str | None]
) -> None:
    found = bridged({"content": "x"}, finish_reason=reason, stop_reason=matched)
    assert (found["stop_reason"], found["stop_sequence"]) == expected


def test_a_refusal_is_a_text_and_a_reason() -> None:
    found = bridged({"content": None, "refusal": "No."})
    assert found["content"] == [{"type": "text", "text": "No.", "citations": None}]
    assert found["stop_reason"] == "refusal"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_that_a_host_gave_becomes_a_thinking_block(field: str) -> None:
    found = bridged({"content": "x", field: "hm"})
    assert found["content"][0] == {"type": "thinking", "thinking": "hm", "signature": ""}
    assert [block["type"] for block in bridged({"content": "x", field: ""})["content"]] == ["text"]


def test_calls_become_tool_use_under_the_callers_names() -> None:
    name = "n" * 100
    calls = [
        {"id": "call_1", "function": {"name": alias_of(name), "arguments": '{"a": [1]}'}},
        {"id": "call_2", "function": {"name": "g", "arguments": ""}},
    ]
    asked = MessagesRequest([], tool_names={alias_of(name): name})
    found = bridged({"content": "Looking.", "tool_calls": calls}, asked, finish_reason="tool_calls")
    assert found["content"] == [
        {"type": "text", "text": "Looking.", "citations": None},
        {"type": "tool_use", "id": "call_1", "name": name, "input": {"a": [1]}, **DIRECT},
        {"type": "tool_use", "id": "call_2", "name": "g", "input": {}, **DIRECT},
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', {"a": 1}),
        ("{}", {}),
        ("", {}),
        (" \n", {}),
        ("null", {}),
        ('{"a": 1', {"INVALID_JSON": '{"a": 1'}),
        ("[1]", {"INVALID_JSON": "[1]"}),
        ('"x"', {"INVALID_JSON": '"x"'}),
        ('{"a": NaN}', {"INVALID_JSON": '{"a": NaN}'}),
        ("[" * 5_000, {"INVALID_JSON": "[" * 5_000}),
    ],
)
def test_arguments_are_an_object_or_kept_as_text(text: str, expected: dict[str, Any]) -> None:
    assert parse_arguments(text) == expected


@pytest.mark.parametrize(
    ("cached", "told"), [(None, (11, 0)), (0, (11, 0)), (8, (3, 8)), (99, (0, 11))]
)
def test_cached_tokens_are_no_part_of_the_input(cached: Any, told: tuple[int, int]) -> None:
    usage = Usage.model_validate({**USAGE, "prompt_tokens_details": {"cached_tokens": cached}})
    found = usage_of(usage)
    assert (found["input_tokens"], found["cache_read_input_tokens"]) == told


def test_unknown_usage_is_zero() -> None:
    assert set(usage_of(None).values()) == {0, None}


def test_tokens_of_thoughts_are_told() -> None:
    thought = {"reasoning_tokens": 3}
    usage = Usage.model_validate({**USAGE, "completion_tokens_details": thought})
    assert usage_of(usage)["output_tokens_details"] == {"thinking_tokens": 3}
