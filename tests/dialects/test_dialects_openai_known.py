"""What is known by its bytes is the chunk that a reader would have read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.dialects.openai_known import KnownEvent, learn
from puna.dialects.openai_plain import read_plain_chunk
from puna.types.chat import ChatCompletionChunk

ENVELOPE = {"id": "mine", "object": "chat.completion.chunk", "created": 7, "model": "shown"}
HEAD = {"id": "c", "object": "chat.completion.chunk", "created": 5, "model": "m"}


def frame_of(text: str, extra: dict[str, Any], choice: dict[str, Any]) -> bytes:
    whole = {"index": 0, "delta": {"content": text}, "finish_reason": None, **choice}
    return json.dumps({**HEAD, "choices": [whole], **extra}).encode()


def read(frame: bytes) -> ChatCompletionChunk:
    chunk = read_plain_chunk(frame, ENVELOPE)
    assert chunk is not None
    return chunk


def known_after(frame: bytes) -> KnownEvent | None:
    return learn(frame, read(frame))


TEXTS = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from('ab "\\{}')), min_size=1)


@given(
    first=TEXTS,
    second=TEXTS,
    extra=st.sampled_from([{}, {"usage": None}, {"system_fingerprint": "fp"}, {"x": 1}]),
    choice=st.sampled_from([{}, {"logprobs": None}, {"stop_reason": None}]),
)
def test_a_known_event_is_the_chunk_that_a_reader_reads(
    first: str, second: str, extra: dict[str, Any], choice: dict[str, Any]
) -> None:
    known = known_after(frame_of(first, extra, choice))
    frame = frame_of(second, extra, choice)
    chunk = known.read(frame) if known is not None else None
    if chunk is None:
        return
    full = read(frame)
    assert chunk == full
    assert chunk.to_json() == full.to_json()
    assert chunk.model_dump_json() == full.model_dump_json()
    assert chunk.model_fields_set == full.model_fields_set
    assert chunk.choices[0].delta.model_fields_set == full.choices[0].delta.model_fields_set


def test_the_usual_event_is_known_and_each_chunk_is_its_own() -> None:
    known = known_after(frame_of("a", {"x": 1}, {}))
    assert known is not None
    one, other = known.read(frame_of("b c", {"x": 1}, {})), known.read(frame_of("d", {"x": 1}, {}))
    assert one is not None
    assert other is not None
    one.choices[0].delta.content = "changed"
    one.choices[0].delta.role = "user"
    one.model = "mine"
    one.__pydantic_extra__ = {"x": 2}
    one.choices.append(one.choices[0])
    assert other.to_json() == read(frame_of("d", {"x": 1}, {})).to_json()
    again = known.read(frame_of("e", {"x": 1}, {}))
    assert again is not None
    assert again.to_json() == read(frame_of("e", {"x": 1}, {})).to_json()


@pytest.mark.parametrize(
    "frame",
    [
        frame_of("a", {"content": "a"}, {}),  # two places
        frame_of("a", {"x": "\\"}, {}),  # an escape could spell a second one
        frame_of("a", {"x": [1]}, {}),  # a list would be shared
        frame_of("ä", {}, {}),
        frame_of('"', {}, {}),
    ],
)
def test_nothing_is_learned_where_the_text_has_no_clear_place(frame: bytes) -> None:
    assert known_after(frame) is None


@pytest.mark.parametrize("text", [b'a"b', b"a\\", b"\\x", b"a\x01", b"\xff", b""])
def test_a_text_that_needs_reading_is_not_known(text: bytes) -> None:
    known = known_after(frame_of("a", {}, {}))
    assert known is not None
    assert known.read(frame_of("MARK", {}, {}).replace(b"MARK", text)) is None
