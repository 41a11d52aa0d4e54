"""Mock answers with calls, several choices, and whole bodies, whole and streamed."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.drop_in import HI, KEY, MODEL, NAME
from tests.support.upstream import Upstream

import litellm

CALL: dict[str, Any] = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "f", "arguments": '{"a": 1}'},
}
TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
]


def asked(*, is_stream: bool, **keywords: Any) -> Any:
    """The whole answer, however it came."""
    answer: Any = litellm.completion(MODEL, HI, stream=is_stream, tools=TOOLS, **keywords)
    if not is_stream:
        return answer
    built = litellm.stream_chunk_builder(list(answer))
    assert isinstance(built, litellm.ModelResponse)
    return built


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("call", [CALL, litellm.ChatCompletionMessageToolCall(**CALL)])
def test_mock_tool_calls_are_in_the_answer(call: Any, *, is_stream: bool) -> None:
    (choice,) = asked(is_stream=is_stream, mock_tool_calls=[call]).choices

    (made,) = choice.message.tool_calls
    assert (made.id, made.function.name, made.function.arguments) == ("call_1", "f", '{"a": 1}')
    assert choice.message.content == "This is a mock request"


@pytest.mark.parametrize("is_stream", [False, True])
def test_n_choices_have_the_mock_text(*, is_stream: bool) -> None:
    answer = asked(is_stream=is_stream, mock_response="hello there", n=3)

    assert [one.index for one in answer.choices] == [0, 1, 2]
    assert {one.message.content for one in answer.choices} == {"hello there"}
    assert is_stream or answer.usage.total_tokens == 30


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_list_gives_a_choice_for_each_text(*, is_stream: bool) -> None:
    answer = asked(is_stream=is_stream, mock_response=["one", "two"])

    assert [one.message.content for one in answer.choices] == ["one", "two"]


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_body_is_the_answer(*, is_stream: bool) -> None:
    message = {"role": "assistant", "content": "body", "tool_calls": [CALL]}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}

    (choice,) = asked(is_stream=is_stream, mock_response=body).choices

    assert (choice.message.content, choice.finish_reason) == ("body", "tool_calls")
    assert choice.message.tool_calls is not None


def test_fields_inside_parameters_are_left_out(upstream: Upstream) -> None:
    tools = [{"type": "function", "function": {**TOOLS[0]["function"], "strict": True}}]

    litellm.completion(
        MODEL,
        HI,
        tools=tools,
        api_base=upstream.url,
        api_key=KEY,
        additional_drop_params=["tools[*].function.strict"],
    )

    assert upstream.requests[0].json == {"model": NAME, "messages": HI, "tools": TOOLS}
