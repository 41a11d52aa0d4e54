"""What holds for every stream: its cuts change nothing, and no bytes make the reader raise."""

from __future__ import annotations

import gc
import itertools
import json
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.anything import anything
from tests.support.contexts import context_for, request_for
from tests.support.openai_events import DONE, USAGE, Outcome, call, chunk, event

from puna.dialects.openai_stream import OpenAIStreamReader
from puna.errors import (
    APIError,
)
from puna.types.chat import ChatCompletionChunk
from puna.wire.fold import fold

PIECE = st.fixed_dictionaries(
    {},
    optional={
        "index": st.integers(0, 2) | st.none(),
        "id": st.sampled_from(["a", "b", "", None]),
        "type": st.just("function"),
        "function": st.none()
        | st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from(["f", "g", "", None]),
                "arguments": st.text(max_size=4) | st.just({"a": 1}) | st.none(),
            },
        ),
    },
)
DELTA = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": st.none() | st.text(max_size=8),
        "reasoning_content": st.text(max_size=4),
        "tool_calls": st.none() | st.lists(PIECE, max_size=2),
        "function_call": st.none() | st.just({"name": "f", "arguments": "{}"}),
    },
)
CHOICE = st.fixed_dictionaries(
    {"index": st.integers(0, 1), "delta": DELTA},
    optional={
        "finish_reason": st.sampled_from(["stop", "length", "tool_calls", None]),
        "logprobs": st.none() | st.just({"content": [{"token": "a"}]}),
    },
)
FRAME = st.fixed_dictionaries(
    {"choices": st.lists(CHOICE, max_size=2)},
    optional={
        "id": st.sampled_from(["x", "y", None]),
        "created": st.integers(0, 99),
        "usage": st.none() | st.just(USAGE),
        "x_extra": st.integers(),
    },
)
KEYS = [
    "choices",
    "delta",
    "index",
    "finish_reason",
    "tool_calls",
    "function",
    "id",
    "usage",
    "created",
    "prompt_tokens",
    "prompt_tokens_details",
    "cached_tokens",
    "error",
    "name",
    "arguments",
    "content",
    "text",
    "message",
    "function_call",
    "role",
]
ANYTHING = anything(KEYS, most=4)


@given(
    st.lists(FRAME, max_size=8),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.sampled_from([b"", b"data: [DONE]"]),
    st.lists(st.integers(0, 4000), max_size=12),
    st.booleans(),
)
@pytest.mark.case(44, 45, 46, 54, 55, 69, 70, 71)
def test_any_cut_of_any_conversation_gives_the_same_chunks(
    frames: list[Any],
    end: bytes,
    done: bytes,
    places: list[int],
    wants: bool,  # noqa: FBT001
) -> None:
    raw = b"".join(b"data: " + json.dumps(f).encode() + end * 2 for f in frames)
    raw += done + end * 2
    cuts = sorted(place % (len(raw) + 1) for place in places)
    pieces = [raw[a:b] for a, b in itertools.pairwise([0, *cuts, len(raw)])]
    options: dict[str, Any] = {"stream_options": {"include_usage": wants}}

    whole, cut = Outcome([raw], **options), Outcome(pieces, **options)
    assert cut.plain == whole.plain
    assert repr(cut.error) == repr(whole.error)
    if whole.chunks:
        assert fold(cut.chunks) == fold(whole.chunks)
    assert_keeps_its_promises(whole.chunks, whole.error, wants=wants)


def assert_keeps_its_promises(
    chunks: list[ChatCompletionChunk], error: APIError | None, *, wants: bool
) -> None:
    assert len({(c.id, c.created, c.model) for c in chunks}) <= 1
    assert all(c.choices for c in chunks[:-1])
    assert wants or all(c.choices for c in chunks)
    assert [c.usage for c in chunks if c.choices] == [None] * sum(bool(c.choices) for c in chunks)
    for index in (0, 1):
        mine = [c for made in chunks for c in made.choices if c.index == index]
        assert [c.delta.role for c in mine[1:]] == [None] * len(mine[1:])
        assert not mine or mine[0].delta.role == "assistant"
        reasons = [c.finish_reason for c in mine]
        assert not any(reasons[:-1])
        if error is not None:
            assert not any(reasons)
        pieces = [p for c in mine for p in c.delta.tool_calls or ()]
        for place in {p.index for p in pieces}:
            ids = [p.id for p in pieces if p.index == place]
            assert ids[0]
            assert not any(ids[1:])


@given(st.lists(ANYTHING, max_size=4), st.booleans())
@pytest.mark.case(53, 55)
def test_no_json_at_all_makes_the_reader_raise(frames: list[Any], wants: bool) -> None:  # noqa: FBT001
    made = Outcome([*map(event, frames), DONE], stream_options={"include_usage": wants})
    assert made.error is None or isinstance(made.error, APIError)
    assert made.reader.usage is None or made.reader.usage.prompt_tokens >= 0


@given(st.binary(max_size=200))
def test_no_bytes_at_all_make_the_reader_raise(raw: bytes) -> None:
    assert Outcome([raw]).error is not None


@pytest.mark.case(56)
def test_100_000_chunks_take_constant_memory_and_do_not_slow_down() -> None:
    reader = OpenAIStreamReader(context_for(request=request_for(stream=True)))
    block = b"".join(
        [
            chunk({"content": "word "}),
            call(index=0, id="a", function={"name": "f", "arguments": "x"}),
        ]
        * 500
    )

    def seconds() -> float:
        began_at = time.process_time()
        for _ in range(10):
            assert len(reader.feed(block)) == 1_000
        return time.process_time() - began_at

    rounds = [seconds() for _ in range(9)]
    assert min(rounds[-3:]) < 2 * min(rounds[:3]) + 0.2
    tracemalloc.start()
    try:
        # What the interpreter keeps for reuse is there after the first round; a leak would grow.
        held: list[int] = []
        for _ in range(3):
            seconds()
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert held[-1] - held[0] < 2_000
