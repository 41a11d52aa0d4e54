"""The bytes around the text of an event, or none where its place is not certain."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.gateway.passing.event_frames import PLAIN, frames_of_arguments, frames_of_text


def event(model: str, **delta: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return json.dumps({"id": "c", "model": model, "choices": [choice]}).encode()


def call(model: str, arguments: str) -> bytes:
    return event(model, tool_calls=[{"index": 0, "function": {"arguments": arguments}}])


@given(st.text(PLAIN.decode(), max_size=10), st.text(PLAIN.decode(), max_size=10))
def test_another_text_in_the_frames_is_the_event_with_that_text(text: str, other: str) -> None:
    frames = frames_of_text(event("up", content=text), event("public", content=text), text.encode())
    if frames is None:  # the text holds what looks like a field
        assert '"content"' in text
        return
    (before, behind), (ours, ours_behind) = frames
    assert before + other.encode() + behind == event("up", content=other)
    assert ours + other.encode() + ours_behind == event("public", content=other)


@pytest.mark.parametrize("text", ["é", 'a"b', "a\\b", "a\nb"])
def test_a_text_that_is_written_with_escapes_has_none(text: str) -> None:
    data = event("up", content=text)
    assert frames_of_text(data, data, text.encode()) is None


def test_an_event_with_two_contents_or_none_has_no_frames() -> None:
    two = event("up", content="a").replace(b'"index"', b'"content": "b", "index"')
    assert frames_of_text(two, two, b"a") is None
    without = event("up", role="assistant")
    assert frames_of_text(without, without, b"") is None


@given(st.text(max_size=10), st.text(max_size=10))
def test_arguments_may_hold_escapes(arguments: str, other: str) -> None:
    frames = frames_of_arguments(call("up", arguments), call("public", arguments))
    assert frames is not None
    (before, behind), (ours, ours_behind) = frames
    inner = json.dumps(other)[1:-1].encode()
    assert before + inner + behind == call("up", other)
    assert ours + inner + ours_behind == call("public", other)


def test_an_escape_around_the_arguments_could_spell_a_second_field() -> None:
    data = call("up\\", "{}")
    assert frames_of_arguments(data, data) is None
