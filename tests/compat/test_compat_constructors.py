"""LiteLLM's response classes take positions, dicts, and other packages' pydantic objects."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

import litellm

LIB: Any = litellm  # type checkers do not see pydantic's constructors take positions

ChatCompletionMessageToolCall = LIB.ChatCompletionMessageToolCall
Choices = LIB.Choices
Delta = LIB.Delta
EmbeddingResponse = LIB.EmbeddingResponse
Function = LIB.Function
Message = LIB.Message
ModelResponse = LIB.ModelResponse
ModelResponseStream = LIB.ModelResponseStream
StreamingChoices = LIB.StreamingChoices
TextChoices = LIB.TextChoices
TextCompletionResponse = LIB.TextCompletionResponse
Usage = LIB.Usage
PromptTokensDetailsWrapper = LIB.types.utils.PromptTokensDetailsWrapper


def test_constructors_take_positions_as_the_released_ones_do() -> None:
    message = Message("hi", "user")
    assert (message.content, message.role) == ("hi", "user")
    usage = Usage(1, 2, 3)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (1, 2, 3)
    choice = Choices("length", 1, message)
    assert (choice.finish_reason, choice.index, choice.message) == ("length", 1, message)
    assert Delta("x", "assistant").role == "assistant"
    assert Function({"a": 1}, "f").arguments == '{"a": 1}'
    assert StreamingChoices("stop", 0, {"content": "x"}).delta.content == "x"
    assert ChatCompletionMessageToolCall({"name": "f", "arguments": "{}"}, "id").id == "id"
    answer = ModelResponse("id", [{"message": {"content": "x"}}], 7, "m")
    assert (answer.id, answer.created, answer.model) == ("id", 7, "m")
    assert answer.choices[0].message.content == "x"
    assert ModelResponseStream([StreamingChoices()], "id").id == "id"
    assert TextChoices("stop", 0, "text").text == "text"
    assert TextCompletionResponse("id", [{"text": "x"}]).choices[0].text == "x"
    assert EmbeddingResponse("m", Usage(1, 0, 1)).usage.prompt_tokens == 1


def test_a_position_too_many_or_twice_is_refused_as_by_any_function() -> None:
    with pytest.raises(TypeError, match=r"TextChoices\(\) takes 4 .* 5 were given"):
        TextChoices("stop", 0, "text", None, "more")
    with pytest.raises(TypeError, match="two values for `content`"):
        Message("hi", content="hi")


class ForeignFunction(BaseModel):
    """A class of another package, such as `openai`."""

    name: str
    arguments: str


class ForeignCall(BaseModel):
    """The same."""

    id: str
    type: str = "function"
    function: ForeignFunction


class ForeignMessage(BaseModel):
    """The same."""

    content: str | None = None
    role: str = "assistant"
    tool_calls: list[ForeignCall] | None = None


def test_objects_of_other_packages_are_taken_wherever_a_dict_is() -> None:
    call = ForeignCall(id="1", function=ForeignFunction(name="f", arguments="{}"))
    foreign = ForeignMessage(content="x", tool_calls=[call])

    for message in (
        Message(content="x", tool_calls=[call]),
        Choices(message=foreign).message,
        ModelResponse(choices=[{"message": foreign}]).choices[0].message,
        Message.model_validate(foreign),
    ):
        assert message.content == "x"
        assert message.tool_calls is not None
        assert message.tool_calls[0].function.name == "f"


def test_log_probabilities_stay_the_object_that_was_given() -> None:
    probabilities = LIB.types.utils.ChoiceLogprobs(content=[])

    assert Choices(message=Message("x"), logprobs=probabilities).logprobs is probabilities


@pytest.mark.parametrize(
    ("given", "cached", "written"),
    [
        ({"cache_read_input_tokens": 7}, 7, None),
        ({"cache_creation_input_tokens": 10}, None, 10),
        ({"cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}, 0, 0),
        ({"prompt_cache_hit_tokens": 9}, 9, None),
        ({"prompt_tokens_details": {"cached_tokens": 5}}, 5, None),
        ({"prompt_tokens_details": {"cached_tokens": 5, "cache_creation_tokens": 3}}, 5, 3),
        ({"prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 4}}, 0, 4),
        (
            {
                "prompt_tokens_details": PromptTokensDetailsWrapper(cached_tokens=5),
                "cache_read_input_tokens": 6,
            },
            6,
            None,
        ),
    ],
)
def test_tokens_of_a_cache_stand_in_the_details_however_they_are_given(
    given: dict[str, Any], cached: int | None, written: int | None
) -> None:
    usage = Usage(prompt_tokens=100, completion_tokens=50, total_tokens=150, **given)

    details = usage.prompt_tokens_details
    assert details is not None
    assert details.cached_tokens == cached
    assert getattr(details, "cache_creation_tokens", None) == written
    assert getattr(details, "cache_write_tokens", None) == written


def test_thoughts_leave_the_rest_of_the_answer_to_text() -> None:
    usage = Usage(prompt_tokens=1, completion_tokens=50, total_tokens=51, reasoning_tokens=4)

    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == 4
    assert usage.completion_tokens_details.text_tokens == 46
    assert not hasattr(Usage(1, 2, 3), "cache_read_input_tokens")
