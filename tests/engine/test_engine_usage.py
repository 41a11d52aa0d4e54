"""Tokens of answers whose host does not tell them, and counts that nobody can believe."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.catalog.estimates import estimate_tokens
from puna.engine.usage import RunningEstimate, checked_usage, estimate_answer
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.common import Usage
from puna.types.counts import MOST_TOKENS

HEAD = {"id": "c", "created": 1, "model": "m"}
CALL = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": '{"a":1}'}}


def chunk(**delta: Any) -> ChatCompletionChunk:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return ChatCompletionChunk.model_validate({**HEAD, "choices": [choice]})


def answer(**message: Any) -> ChatCompletion:
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}}
    return ChatCompletion.model_validate({**HEAD, "choices": [choice]})


@given(st.lists(st.text("ab é", max_size=30), max_size=8))
def test_a_stream_counts_what_its_whole_text_counts(pieces: list[str]) -> None:
    running = RunningEstimate()
    for piece in pieces:
        running.add([chunk(content=piece)])
    assert running.total() == estimate_tokens("".join(pieces))
    assert running.total() == estimate_tokens("".join(pieces))


@pytest.mark.parametrize(
    "said",
    [
        {"content": "Hello there"},
        {"refusal": "I will not."},
        {"reasoning_content": "Let me think."},
        {"tool_calls": [CALL]},
        {"content": "Hello", "tool_calls": [CALL]},
    ],
)
def test_all_that_a_model_wrote_counts_whole_and_streamed(said: dict[str, Any]) -> None:
    calls = [{"index": 0, **call} for call in said.get("tool_calls", ())]
    running = RunningEstimate()
    running.add([chunk(**{**said, "tool_calls": calls or None})])
    assert running.total() == estimate_answer(answer(**said)) > 0


@pytest.mark.parametrize(
    ("counts", "is_so"),
    [
        ({}, True),
        ({"prompt_tokens": MOST_TOKENS}, True),
        ({"prompt_tokens": -1}, False),
        ({"completion_tokens": MOST_TOKENS + 1}, False),
        ({"total_tokens": -5}, False),
        ({"prompt_tokens_details": {"cached_tokens": -1}}, False),
        ({"completion_tokens_details": {"reasoning_tokens": 10**18}}, False),
    ],
)
def test_a_count_below_zero_or_beyond_belief_is_none(
    counts: dict[str, Any], *, is_so: bool
) -> None:
    usage = Usage.model_validate(counts)
    assert checked_usage(usage) is (usage if is_so else None)
    assert checked_usage(None) is None
