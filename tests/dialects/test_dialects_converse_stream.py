"""Streams of Bedrock's Converse API, against the whole answers that they spell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.contexts import context_for, request_for
from tests.support.converse import DIALECT, answer, read
from tests.support.event_stream import encode_event, encode_exception, encode_message

from puna.dialects.base import ReadContext
from puna.errors import (
    APIError,
    BadRequestError,
    InternalServerError,
    MalformedReplyError,
    RateLimitError,
    ServiceUnavailableError,
    StreamInterruptedError,
)
from puna.types.chat import ChatCompletionChunk
from puna.wire.fold import fold


def stream(
    pieces: Iterable[bytes], context: ReadContext | None = None
) -> tuple[list[ChatCompletionChunk], APIError | None]:
    reader = DIALECT.stream_reader(context or context_for(request=request_for(stream=True)))
    chunks = [chunk for piece in pieces for chunk in reader.feed(piece)]
    return chunks + reader.close(), reader.error


BEGIN = encode_event("messageStart", {"role": "assistant"})
STOP = encode_event("messageStop", {"stopReason": "end_turn"})


def text(said: str, block: int = 0) -> bytes:
    return encode_event("contentBlockDelta", {"contentBlockIndex": block, "delta": {"text": said}})


# Streams


@pytest.mark.parametrize(
    ("kind", "cls"),
    [
        ("throttlingException", RateLimitError),
        ("modelStreamErrorException", InternalServerError),
        ("internalServerException", InternalServerError),
        ("serviceUnavailableException", ServiceUnavailableError),
        ("validationException", BadRequestError),
        ("somethingNew", InternalServerError),
    ],
)
def test_an_exception_in_a_stream_is_its_error_after_what_came_whole(
    kind: str, cls: type[APIError]
) -> None:
    whole = BEGIN + text("Hel") + encode_exception(kind, "Words") + text("never") + STOP
    for pieces in ([whole], [whole[i : i + 1] for i in range(len(whole))]):
        chunks, error = stream(pieces)
        assert type(error) is cls
        assert "Words" in str(error)
        assert fold(chunks).choices[0].message.content == "Hel"
        assert fold(chunks).choices[0].finish_reason is None


def test_a_fault_without_a_shape_says_its_words() -> None:
    headers = {":message-type": "error", ":error-code": "InternalError", ":error-message": "Words"}
    _, error = stream([BEGIN, encode_message(headers, b"")])
    assert type(error) is InternalServerError
    assert "Words" in str(error)


@pytest.mark.parametrize(
    ("pieces", "cls", "says"),
    [
        ([], StreamInterruptedError, "without any content"),
        ([BEGIN], StreamInterruptedError, "before the answer was finished"),
        ([BEGIN, text("a")[:-1]], StreamInterruptedError, "in the middle of a frame"),
        ([BEGIN, encode_event("metadata", {})], StreamInterruptedError, "no `messageStop`"),
        ([BEGIN, text("a")[:-1] + b"\x00"], MalformedReplyError, "checksum"),
        ([BEGIN, encode_event("messageStop", {})], MalformedReplyError, "without a reason"),
        ([encode_message({":event-type": "x"}, b"{")], MalformedReplyError, "broken JSON"),
        ([encode_message({":event-type": "x"}, b"[]")], MalformedReplyError, "no object"),
        (
            [
                encode_event(
                    "contentBlockDelta",
                    {"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{}"}}},
                )
            ],
            MalformedReplyError,
            "did not begin",
        ),
        (
            [
                encode_event(
                    "contentBlockStart",
                    {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "a", "name": 5}}},
                )
            ],
            MalformedReplyError,
            "names no function",
        ),
        (b"data: {}\n\n" * 9, MalformedReplyError, "checksum"),
    ],
)
def test_a_stream_that_is_none_is_an_error(pieces: Any, cls: type[APIError], says: str) -> None:
    _, error = stream([pieces] if isinstance(pieces, bytes) else pieces)
    assert type(error) is cls
    assert says in str(error)


def test_events_that_nobody_knows_pass_by() -> None:
    odd = [
        encode_event("somethingNew", {}),
        encode_event("contentBlockStart", {"contentBlockIndex": 0, "start": {}}),
        encode_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"new": 1}}),
        encode_event("contentBlockDelta", {"contentBlockIndex": 0}),
        BEGIN,
    ]
    chunks, error = stream([BEGIN, *odd, text("a"), STOP])
    assert error is None
    assert fold(chunks).choices[0].message.content == "a"


def test_nothing_is_read_behind_the_end() -> None:
    chunks, error = stream([BEGIN, text("a"), STOP, encode_event("metadata", {}), text("b")])
    assert error is None
    assert fold(chunks).choices[0].message.content == "a"
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_an_answer_without_any_event_of_a_message_is_empty_and_has_a_role() -> None:
    chunks, error = stream([STOP])
    assert error is None
    (chunk,) = chunks
    assert chunk.choices[0].delta.role == "assistant"
    assert fold(chunks).choices[0].message.content == ""


NAMES = st.text("abcdef_", min_size=1, max_size=8)
BLOCKS = st.lists(
    st.one_of(
        st.builds(lambda said: {"text": said}, st.text(max_size=12)),
        st.builds(
            lambda name, put: {
                "toolUse": {"toolUseId": f"tooluse_{name}", "name": name, "input": put}
            },
            NAMES,
            st.dictionaries(NAMES, st.one_of(st.integers(), st.text(max_size=6)), max_size=3),
        ),
        st.builds(
            lambda said: {"reasoningContent": {"reasoningText": {"text": said}}},
            st.text(min_size=1, max_size=12),
        ),
    ),
    max_size=5,
)


def events_of(body: Mapping[str, Any], size: int) -> bytes:
    """The stream that says the same as a whole reply, in pieces of so many characters."""
    events = [BEGIN]

    def cut(said: str) -> list[str]:
        return [said[i : i + size] for i in range(0, len(said), size)]

    for index, block in enumerate(body["output"]["message"]["content"]):
        deltas: list[dict[str, Any]]
        if "toolUse" in block:
            call = block["toolUse"]
            start = {"toolUse": {"toolUseId": call["toolUseId"], "name": call["name"]}}
            events.append(
                encode_event("contentBlockStart", {"contentBlockIndex": index, "start": start})
            )
            written = json.dumps(call["input"], ensure_ascii=False) if call["input"] else ""
            deltas = [{"toolUse": {"input": piece}} for piece in cut(written)]
        elif "text" in block:
            deltas = [{"text": piece} for piece in cut(block["text"])]
        else:
            said = block["reasoningContent"]["reasoningText"]["text"]
            deltas = [{"reasoningContent": {"text": piece}} for piece in cut(said)]
        events += [
            encode_event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})
            for delta in deltas
        ]
        events.append(encode_event("contentBlockStop", {"contentBlockIndex": index}))
    events.append(encode_event("messageStop", {"stopReason": body["stopReason"]}))
    events.append(encode_event("metadata", {name: body[name] for name in ("usage", "metrics")}))
    return b"".join(events)


@given(
    blocks=BLOCKS,
    reason=st.sampled_from(["end_turn", "tool_use", "max_tokens", "odd"]),
    size=st.integers(1, 5),
    cuts=st.lists(st.integers(0, 5_000), max_size=8),
)
def test_a_folded_stream_equals_the_whole_answer_however_it_is_cut(
    blocks: list[dict[str, Any]], reason: str, size: int, cuts: list[int]
) -> None:
    usage = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}
    body = answer(*blocks, stopReason=reason, usage=usage, metrics={"latencyMs": 9})
    raw = events_of(body, size)
    ends = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    pieces = [raw[begin:end] for begin, end in pairwise(ends)]
    request = request_for(stream=True, stream_options={"include_usage": True})
    chunks, error = stream(pieces, context_for(request=request))
    assert error is None
    assert (chunks, error) == stream([raw], context_for(request=request))
    whole = read(body)
    assert fold(chunks).model_dump() == whole.model_dump()
    assert [c.choices[0].finish_reason for c in chunks if c.choices][:-1] == [None] * (
        len(chunks) - 2
    )


def test_calls_with_one_id_are_told_apart_by_their_arguments() -> None:
    def call(put: dict[str, Any]) -> dict[str, Any]:
        return {"toolUse": {"toolUseId": "a", "name": "f", "input": put}}

    some, none = call({"x": 1}), call({})
    for blocks, count in (([some, none], 2), ([none, some], 2), ([none, none], 1), ([some] * 2, 1)):
        usage = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}
        body = answer(*blocks, stopReason="tool_use", usage=usage, metrics={"latencyMs": 9})
        chunks, error = stream([events_of(body, 2)], context_for(request=request_for(stream=True)))
        assert error is None
        calls = fold(chunks).choices[0].message.tool_calls or []
        assert calls == read(body).choices[0].message.tool_calls
        assert len(calls) == count


def test_a_call_that_a_host_sends_in_two_blocks_is_one_and_a_stray_piece_is_the_open_ones() -> None:
    def begin(block: int, call_id: str) -> bytes:
        start = {"toolUse": {"toolUseId": call_id, "name": "f"}}
        return encode_event("contentBlockStart", {"contentBlockIndex": block, "start": start})

    def piece(block: int, text: str) -> bytes:
        delta = {"toolUse": {"input": text}}
        return encode_event("contentBlockDelta", {"contentBlockIndex": block, "delta": delta})

    stop = encode_event("messageStop", {"stopReason": "tool_use"})
    twice = [begin(0, "a"), piece(0, '{"x":1}'), begin(1, "a"), piece(1, '{"x"'), piece(1, ":1}")]
    moved = [begin(0, "a"), piece(0, '{"x"'), piece(1, ":1}")]
    for frames in (twice, moved):
        chunks, error = stream([*frames, stop], context_for(request=request_for(stream=True)))
        assert error is None
        calls = fold(chunks).choices[0].message.tool_calls or []
        assert [(one.id, one.function.arguments) for one in calls] == [("a", '{"x":1}')]
