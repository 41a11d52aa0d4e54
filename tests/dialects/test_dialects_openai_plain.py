"""The short way for usual events gives what the full reader gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.contexts import context_for, request_for
from tests.support.openai_events import DONE, USAGE, chunk, event
from typing_extensions import override

from puna.dialects.openai_stream import OpenAIStreamReader
from puna.wire.sse import SSEEvent

USUAL_DELTA: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["assistant", "", None, 1]),
        "content": st.none() | st.text(max_size=4) | st.just(["a"]) | st.just(1),
        "refusal": st.none() | st.text(max_size=2),
        "reasoning_content": st.none() | st.text(max_size=2) | st.just([]),
        "tool_calls": st.sampled_from([None, [], [{}], [{"index": 0, "function": None}], "x"]),
        "function_call": st.sampled_from([None, {}, {"name": "f"}, 1]),
    },
)
USUAL_CHOICE: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"delta": USUAL_DELTA},
    optional={
        "index": st.sampled_from([0, 1, "0", "1", 0.0, 1.0, True, False, None, -1]),
        "finish_reason": st.sampled_from([None, None, "", "stop", 1, []]),
        "logprobs": st.sampled_from([None, {}, {"content": []}, {"content": [{"token": "a"}]}]),
        "message": st.just({"content": "b"}),
        "text": st.just("c"),
    },
)
USUAL_FRAME = st.fixed_dictionaries(
    {"choices": st.lists(USUAL_CHOICE, min_size=1, max_size=2)},
    optional={
        "id": st.sampled_from(["x", "y", "", None, 1]),
        "object": st.sampled_from(["chat.completion.chunk", "chat.completion", "error", None, 1]),
        "created": st.sampled_from([0, 17, "17", 1.5, True, None, "soon"]),
        "model": st.sampled_from(["up", None, 1]),
        "usage": st.sampled_from([None, {}, USAGE, 1, {"prompt_tokens": "many"}]),
        "system_fingerprint": st.sampled_from([None, "fp", 1]),
        "error": st.sampled_from([None, "", {}, "broken"]),
        "service_tier": st.sampled_from([None, "default", [1.5]]),
    },
)


class FullReader(OpenAIStreamReader):
    """Reads every event in full."""

    @override
    def read_plain(self, event: SSEEvent) -> None:
        return None


@given(st.lists(USUAL_FRAME, max_size=5), st.booleans())
@pytest.mark.case(53, 54)
def test_the_short_way_and_the_full_read_give_the_same_chunks(
    frames: list[Any],
    has_begun: bool,  # noqa: FBT001
) -> None:
    head = [chunk({"role": "assistant", "content": "A"})] if has_begun else []
    pieces = [*head, *(event(frame) for frame in frames), DONE]
    options = context_for(request=request_for(stream=True, stream_options={"include_usage": True}))
    short, full = OpenAIStreamReader(options), FullReader(options)
    given_by_short = [made for piece in pieces for made in short.feed(piece)] + short.close()
    given_by_full = [made for piece in pieces for made in full.feed(piece)] + full.close()
    assert given_by_short == given_by_full
    for one, other in zip(given_by_short, given_by_full, strict=True):
        assert one.model_dump(exclude_unset=True) == other.model_dump(exclude_unset=True)
        assert one.model_dump_json() == other.model_dump_json()
    assert short.usage == full.usage
    assert short.finish_reason == full.finish_reason
    assert repr(short.error) == repr(full.error)


@pytest.mark.parametrize(
    "usual",
    [
        chunk({"content": "a"}),
        chunk({"role": "assistant", "content": "a", "tool_calls": None, "function_call": None}),
        chunk({"content": None, "reasoning_content": "a"}, usage=None, system_fingerprint=None),
        chunk({"refusal": "a"}, system_fingerprint="fp", object="chat.completion"),
        chunk({}, choice={"logprobs": {"content": [{"token": "a"}]}}),
    ],
)
def test_usual_events_take_the_short_way(usual: bytes) -> None:
    reader = OpenAIStreamReader(context_for(request=request_for(stream=True)))
    reader.feed(chunk({"role": "assistant", "content": ""}))
    reader.feed(chunk({"content": "a"}))
    assert reader.read_plain(SSEEvent("", usual[6:-2])) is not None
