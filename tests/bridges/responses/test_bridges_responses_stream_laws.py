"""The last event of a stream equals the whole answer, and pieces in any order lose nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.bridged_responses import (
    USAGE,
    answer,
    call,
    check_order,
    chunk,
    piece,
    request,
    streamed,
)

from puna.bridges.responses.reply import response_of
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.responses import Response
from puna.wire.fold import fold

names = st.sampled_from(["f", "apply_patch"])
arguments = st.dictionaries(st.sampled_from(["input", "a"]), st.text(max_size=5), max_size=2)


@st.composite
def answers(draw: st.DrawFn) -> ChatCompletion:
    said = draw(st.text(max_size=9))
    thought = draw(st.text(max_size=9))
    refusal = draw(st.sampled_from(["", "No."]))
    calls = [
        call(f"c{i}", name, json.dumps(given))
        for i, (name, given) in enumerate(draw(st.lists(st.tuples(names, arguments), max_size=3)))
    ]
    message: dict[str, Any] = {"content": said}
    if thought:
        message["reasoning_content"] = thought
    if refusal:
        message["refusal"] = refusal
    if calls:
        message["tool_calls"] = calls
    reason = draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
    return answer(reason, **message)


def cut(whole: ChatCompletion, size: int) -> list[ChatCompletionChunk]:
    """An answer in pieces, in the order in which models speak: thoughts, text, calls."""
    message, reason = whole.choices[0].message, whole.choices[0].finish_reason
    chunks = [chunk({"role": "assistant", "content": ""})]
    for name in ("reasoning_content", "content", "refusal"):
        text = message.get(name, "")
        chunks += [chunk({name: text[at : at + size]}) for at in range(0, len(text), size)]
    for index, one in enumerate(message.tool_calls or ()):
        text = one.function.arguments
        chunks.append(piece(index, "", id=one.id, name=one.function.name))
        chunks += [piece(index, text[at : at + size]) for at in range(0, len(text), size)]
    chunks.append(chunk({}, reason))
    head = {"id": whole.id, "created": whole.created, "model": whole.model}
    usage = ChatCompletionChunk.model_validate({**head, "choices": [], "usage": USAGE})
    return [*chunks, usage]


tiers = st.sampled_from([None, "default", "flex", "", 5])


@pytest.mark.case(98, 99, 101)
@given(answers(), st.integers(1, 4), st.lists(tiers, max_size=4))
def test_the_last_event_of_a_stream_equals_the_whole_answer(
    whole: ChatCompletion, size: int, told: list[Any]
) -> None:
    chunks = cut(whole, size)
    chunks[: len(told)] = [
        one.model_copy(update={"service_tier": tier})
        for one, tier in zip(chunks, told, strict=False)
    ]
    events = streamed(chunks)
    check_order(events)
    assert events[-1].response == response_of(request(), "resp_7", 9, fold(chunks), completed_at=12)


deltas = st.one_of(
    st.builds(lambda text: chunk({"content": text}), st.text(max_size=3)),
    st.builds(lambda text: chunk({"reasoning_content": text}), st.text(max_size=3)),
    st.builds(
        lambda index, text: piece(index, text, id=f"c{index}", name="f"),
        st.integers(0, 2),
        st.text(alphabet='{"a:1', max_size=3),
    ),
)


@given(st.lists(deltas, max_size=12))
def test_pieces_in_any_order_lose_nothing(chunks: list[ChatCompletionChunk]) -> None:
    head = chunk({"role": "assistant", "content": ""})
    events = streamed([head, *chunks])
    check_order(events)
    streamed_one = events[-1].response
    assert streamed_one is not None
    whole = response_of(request(), "resp_7", 9, fold([head, *chunks]), completed_at=12)
    assert streamed_one.output_text == whole.output_text
    assert calls_of(streamed_one) == calls_of(whole)


def calls_of(response: Response) -> list[tuple[str, str]]:
    return sorted(
        (item["call_id"], item["arguments"])
        for item in response.output
        if item.type == "function_call"
    )
