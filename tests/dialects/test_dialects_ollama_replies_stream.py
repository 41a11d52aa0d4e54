"""Ollama's lines, however they are cut, and against the whole reply that says the same."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.contexts import KEY, context_for, request_for

from puna.dialects.ollama_chat import OllamaChat
from puna.errors import APIError, InternalServerError, MalformedReplyError, StreamInterruptedError
from puna.types.chat import ChatCompletionChunk
from puna.wire.fold import fold
from puna.wire.http import HTTPReply

DONE = {"prompt_eval_count": 26, "eval_count": 3, "total_duration": 5}
WITH_USAGE = {"stream_options": {"include_usage": True}}


def line(message: dict[str, Any] | None = None, **more: Any) -> bytes:
    said = {"message": {"role": "assistant", **message}} if message is not None else {}
    body = {"model": "up", "created_at": "2026-11-26T07:00:00.1Z", **said, "done": False, **more}
    return json.dumps(body).encode() + b"\n"


def end(reason: str | None = "stop", **more: Any) -> bytes:
    named = {} if reason is None else {"done_reason": reason}
    return line({"content": ""}, done=True, **named, **DONE, **more)


def call(name: str, arguments: Any, **more: Any) -> dict[str, Any]:
    return {**more, "function": {"index": 0, "name": name, "arguments": arguments}}


def read(
    pieces: Iterable[bytes], **request: Any
) -> tuple[list[ChatCompletionChunk], APIError | None]:
    reader = OllamaChat().stream_reader(context_for(request=request_for(stream=True, **request)))
    chunks = [chunk for piece in pieces for chunk in reader.feed(piece)]
    return chunks + reader.close(), reader.error


MESSAGES = st.lists(
    st.one_of(
        st.builds(lambda text: {"content": text}, st.text(max_size=5)),
        st.builds(lambda text: {"content": "", "thinking": text}, st.text(max_size=5)),
        st.builds(
            lambda name, value: {"content": "", "tool_calls": [call(name, {"a": value})]},
            st.sampled_from(("f", "g")),
            st.integers(),
        ),
    ),
    max_size=6,
)


@given(MESSAGES, st.sampled_from(("stop", "length")), st.lists(st.integers(0, 2_000), max_size=9))
def test_a_stream_folds_to_the_whole_reply_however_it_is_cut(
    messages: list[dict[str, Any]], reason: str, places: list[int]
) -> None:
    whole = b"".join([*(line(message) for message in messages), end(reason)])
    cuts = [0, *sorted(place for place in places if place < len(whole)), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(cuts)]
    chunks, error = read(pieces, **WITH_USAGE)
    assert error is None
    assert (chunks, error) == read([whole], **WITH_USAGE)

    roles = [choice.delta.role for chunk in chunks for choice in chunk.choices]
    assert roles == ["assistant"] + [None] * (len(roles) - 1)
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert [one for one in reasons if one] == reasons[-1:]
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1

    together: dict[str, Any] = {"role": "assistant", "content": ""}
    for message in messages:
        together["content"] += message["content"]
        if "thinking" in message:
            together["thinking"] = together.get("thinking", "") + message["thinking"]
        together["tool_calls"] = together.get("tool_calls", []) + message.get("tool_calls", [])
    body = {"model": "up", "message": together, "done": True, "done_reason": reason, **DONE}
    reply = HTTPReply(200, {}, json.dumps(body).encode())
    answer = OllamaChat().read_reply(reply, context_for())
    folded = fold(chunks)
    (choice,), (expected,) = folded.choices, answer.choices
    assert (choice.message.content or None) == (expected.message.content or None)
    assert choice.message.tool_calls == expected.message.tool_calls
    assert choice.message.get("reasoning_content") == expected.message.get("reasoning_content")
    assert (choice.finish_reason, folded.usage) == (expected.finish_reason, answer.usage)


def test_the_usage_is_known_and_shown_to_who_asked() -> None:
    reader = OllamaChat().stream_reader(context_for(request=request_for(stream=True)))
    chunks = reader.feed(line({"content": "Hi"}) + end())
    assert [chunk.usage for chunk in chunks] == [None, None]
    assert reader.is_done
    assert reader.finish_reason == "stop"
    assert reader.usage is not None
    assert reader.usage.total_tokens == 29
    asked, _ = read([line({"content": "Hi"}), end()], **WITH_USAGE)
    assert asked[-1].choices == []
    assert asked[-1].usage == reader.usage


def test_a_count_that_is_not_told_is_not_made_up() -> None:
    # A prompt that was in the cache has no count in older versions.
    reader = OllamaChat().stream_reader(context_for(request=request_for(stream=True)))
    reader.feed(line({"content": "Hi"}, done=True, done_reason="stop", eval_count=3))
    assert reader.usage is None


def test_every_call_of_one_line_or_of_many_has_its_place_and_its_id() -> None:
    pieces = [
        line({"content": "", "tool_calls": [call("f", {}), call("f", {"a": 1}, id="own")]}),
        line({"content": "", "tool_calls": [call("f", {})]}),
        end(),
    ]
    chunks, _ = read(pieces)
    calls = [c for chunk in chunks for o in chunk.choices for c in o.delta.tool_calls or ()]
    assert [one.index for one in calls] == [0, 1, 2]
    assert len({one.id for one in calls}) == 3
    assert calls[1].id == "own"
    assert [one.function and one.function.arguments for one in calls] == ["{}", '{"a": 1}', "{}"]
    assert fold(chunks).choices[0].finish_reason == "tool_calls"


def test_a_last_line_without_its_end_counts() -> None:
    chunks, error = read([line({"content": "Hi"}), end().rstrip()])
    assert error is None
    assert fold(chunks).choices[0].finish_reason == "stop"


def test_a_stream_that_ended_well_without_a_reason_has_stopped() -> None:
    reader = OllamaChat().stream_reader(context_for(request=request_for(stream=True)))
    chunks = [*reader.feed(line({"content": "Hi"})), *reader.feed(end(None)), *reader.close()]
    assert reader.error is None
    assert fold(chunks).choices[0].finish_reason == "stop"
    assert getattr(reader, "is_finish_assumed", False)


def test_a_model_that_was_only_loaded_has_stopped() -> None:
    chunks, error = read([end("load")])
    assert error is None
    assert fold(chunks).choices[0].finish_reason == "stop"


def test_log_probabilities_are_where_openai_has_them() -> None:
    one = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}
    chunks, _ = read([line({"content": "Hi"}, logprobs=[one]), end()], logprobs=True)
    assert fold(chunks).choices[0].logprobs == {"content": [one], "refusal": None}


def test_what_came_before_an_error_is_delivered() -> None:
    chunks, error = read([line({"content": "Hi"}), b'{"error":"boom of ' + KEY.encode() + b'"}\n'])
    assert isinstance(error, InternalServerError)
    assert "boom of •••" in str(error)
    assert fold(chunks).choices[0].message.content == "Hi"


def test_a_cut_stream_is_interrupted_and_a_foreign_one_malformed() -> None:
    cases: list[tuple[list[bytes], type[APIError], str]] = [
        ([line({"content": "Hi"})], StreamInterruptedError, "before the answer was finished"),
        ([line({"content": "Hi"}), b'{"model":'], StreamInterruptedError, "middle of a frame"),
        ([], StreamInterruptedError, "without any content"),
        ([b'{"model":"up","done":false}\n'], MalformedReplyError, "a line without a message"),
        ([b"nonsense\n"], MalformedReplyError, "not JSON"),
        ([b"[1]\n"], MalformedReplyError, "no JSON object"),
    ]
    for pieces, cls, words in cases:
        _, error = read(pieces)
        assert type(error) is cls
        assert words in str(error)


def test_a_whole_reply_without_a_message_is_malformed() -> None:
    reply = HTTPReply(200, {}, b'{"model":"up","done":true}')
    with pytest.raises(MalformedReplyError, match="without a message"):
        OllamaChat().read_reply(reply, context_for())


def test_nulls_of_a_line_reach_nobody() -> None:
    chunks, _ = read([line({"content": "Hi", "images": None}), end()])
    assert all("images" not in choice.delta for chunk in chunks for choice in chunk.choices)
