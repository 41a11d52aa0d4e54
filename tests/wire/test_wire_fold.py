from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.wire.fold import Fold, fold, unfold

TEXTS = st.text(max_size=20)
PLAIN = st.none() | st.booleans() | st.integers(-9, 9) | TEXTS
EXTRAS = st.dictionaries(
    st.sampled_from(["x_extra", "x_other"]),
    st.one_of(st.integers(), TEXTS, st.dictionaries(TEXTS, PLAIN, max_size=2)),
    max_size=2,
)
TOKENS = st.lists(st.fixed_dictionaries({"token": TEXTS, "logprob": st.just(-0.5)}), max_size=3)


@st.composite
def calls(draw: st.DrawFn) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{i}",
            "type": "function",
            "function": {"name": draw(st.text(min_size=1)), "arguments": draw(TEXTS)},
            **draw(EXTRAS),
        }
        for i in range(draw(st.integers(1, 3)))
    ]


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": draw(st.none() | TEXTS)}
    if draw(st.booleans()):
        message["reasoning_content"] = draw(TEXTS)
    if draw(st.booleans()):
        message["refusal"] = draw(TEXTS)
    if draw(st.booleans()):
        message["tool_calls"] = draw(calls())
        message["content"] = message["content"] or None
    elif draw(st.booleans()):
        message["function_call"] = {"name": "f", "arguments": draw(TEXTS)}
    return {**message, **draw(EXTRAS)}


@st.composite
def completions(draw: st.DrawFn) -> ChatCompletion:
    choices = [
        {
            "index": index,
            "message": draw(messages()),
            "finish_reason": draw(st.sampled_from(["stop", "length", "tool_calls", None])),
            **(
                {"logprobs": {"content": draw(TOKENS), "refusal": draw(st.none() | TOKENS)}}
                if draw(st.booleans())
                else {}
            ),
            **({"content_filter_results": {"hate": 0}} if draw(st.booleans()) else {}),
        }
        for index in range(draw(st.integers(1, 3)))
    ]
    data: dict[str, Any] = {
        "id": "chatcmpl-1",
        "created": 1,
        "model": "m",
        "choices": choices,
        **draw(EXTRAS),
    }
    if draw(st.booleans()):
        data["usage"] = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    if draw(st.booleans()):
        data["system_fingerprint"] = "fp"
    return ChatCompletion.model_validate(data)


@given(completions(), st.none() | st.integers(1, 5))
def test_folding_what_was_unfolded_gives_the_same_answer(
    answer: ChatCompletion, piece: int | None
) -> None:
    chunks = list(unfold(answer, wants_usage=True, piece=piece))
    assert fold(chunks).model_dump() == answer.model_dump()
    assert all(len(chunk.choices) == 1 for chunk in chunks if chunk.usage is None)
    roles = [c.delta.role for chunk in chunks for c in chunk.choices]
    assert roles.count("assistant") == len(answer.choices)
    reasons = [bool(c.finish_reason) for chunk in chunks for c in chunk.choices]
    assert not any(reasons[: -len(answer.choices)])


@given(completions())
def test_without_the_wish_no_usage_chunk_comes(answer: ChatCompletion) -> None:
    assert all(chunk.choices and chunk.usage is None for chunk in unfold(answer))


def chunk_of(delta: dict[str, Any], **choice: Any) -> ChatCompletionChunk:
    return ChatCompletionChunk.model_validate(
        {
            "id": "c",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "delta": delta, **choice}],
        }
    )


@pytest.mark.case(69, 70)
def test_pieces_of_interleaved_calls_join_up_in_the_order_of_their_index() -> None:
    def piece(index: int, **fields: Any) -> ChatCompletionChunk:
        return chunk_of({"tool_calls": [{"index": index, **fields}]})

    answer = fold(
        [
            piece(1, id="b", function={"name": "g", "arguments": "{"}),
            piece(0, id="a", type="function", function={"name": "f", "arguments": "", "x": 1}),
            piece(1, function={"arguments": "}"}, x_extra=1),
            piece(0),
            piece(0, function={"arguments": "[]"}),
        ]
    )
    assert answer.choices[0].message.model_dump(exclude_none=True)["tool_calls"] == [
        {
            "id": "a",
            "type": "function",
            "function": {"name": "f", "arguments": "[]", "x": 1},
        },
        {
            "id": "b",
            "type": "function",
            "function": {"name": "g", "arguments": "{}"},
            "x_extra": 1,
        },
    ]


def test_of_fields_that_are_no_text_the_last_value_counts() -> None:
    answer = fold(
        [
            chunk_of({"reasoning": "think", "x": 1}, logprobs={"content": None}),
            chunk_of({"reasoning": "ing", "x": 2}, logprobs={"content": [{"token": "a"}]}),
            chunk_of({"reasoning_content": {"odd": True}}, logprobs="odd"),
        ]
    )
    message = answer.choices[0].message.model_dump()
    assert (message["reasoning"], message["x"]) == ("thinking", 2)
    assert message["reasoning_content"] == {"odd": True}
    assert answer.choices[0].logprobs == {"content": [{"token": "a"}]}


def test_nothing_cannot_be_folded() -> None:
    with pytest.raises(ValueError, match="no chunks"):
        fold([])


@pytest.mark.case(56)
def test_empty_pieces_leave_nothing_behind() -> None:
    folding = Fold()
    empty = chunk_of(
        {"content": "", "tool_calls": [{"index": 0, "function": {"arguments": ""}}]},
    )
    for _ in range(1_000):
        folding.add(empty)
    answer = folding._answers[0]
    assert answer.texts == {"content": []}
    assert answer.calls[0].arguments == []
    assert sys.getsizeof(answer.texts["content"]) < 100
    folding.add(chunk_of({"content": "x"}))
    assert folding.result().choices[0].message.content == "x"


def test_an_answer_whose_stream_says_no_role_is_the_assistants() -> None:
    said = {"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}
    chunk = {"id": "c", "created": 1, "model": "m", "choices": [said]}
    message = fold([ChatCompletionChunk.model_validate(chunk)]).choices[0].message
    assert message.to_dict() == {"role": "assistant", "content": "a"}
