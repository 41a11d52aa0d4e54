"""Errors and odd frames in streams of OpenAI's API."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.contexts import KEY
from tests.support.openai_events import DONE, PLAIN, Outcome, chunk, event

from puna.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    MalformedReplyError,
    RateLimitError,
)
from puna.wire.fold import fold


@pytest.mark.case(52)
@pytest.mark.parametrize(
    ("frame", "kind", "said"),
    [
        (event({"error": {"message": "slow down", "code": 429}}), RateLimitError, "slow down"),
        (event({"error": {"message": "odd", "code": "²"}}), InternalServerError, "odd"),
        (event({"error": {"message": "odd", "status": 200}}), InternalServerError, "odd"),
        (event({"error": "plain words"}), InternalServerError, "plain words"),
        (event({"message": "who?", "status": 401}, "error"), AuthenticationError, "who?"),
        (event("just words", "error"), InternalServerError, "just words"),
        (event('"a JSON text"', "error"), InternalServerError, "a JSON text"),
        (event("[]", "error"), InternalServerError, "[]"),
        (event({"title": "Bad", "detail": "worse", "status": 400}), BadRequestError, "Bad: worse"),
        (event({"object": "error", "message": "vllm", "code": 400}), BadRequestError, "vllm"),
    ],
)
def test_an_error_in_the_stream_comes_after_the_good_chunks(
    frame: bytes, kind: type[APIError], said: str
) -> None:
    # All in one packet: what came before must not be lost.
    made = Outcome([b"".join([*PLAIN[:2], frame, *PLAIN[2:]])])
    assert made.text == "Hel"
    assert type(made.error) is kind
    assert said in str(made.error)


@pytest.mark.parametrize(
    "frame",
    [
        chunk({"content": "more"}, error={"message": "slow down", "code": 429}),
        chunk({"content": "more"}, type="error", message="slow down", code=429),
        chunk({"content": "more"}, object="error", message="slow down", code=429),
        chunk({"content": "more"}, choice={"error": {"message": "slow down", "code": 429}}),
    ],
    ids=["error", "type", "object", "choice"],
)
def test_an_error_beside_a_text_is_an_error(frame: bytes) -> None:
    made = Outcome([*PLAIN[:2], frame])
    assert type(made.error) is RateLimitError
    assert "slow down" in str(made.error)


@pytest.mark.case(53)
@pytest.mark.parametrize("frame", ["{oops", "[1, 2]", "7", '"text"', "[" * 1000])
def test_a_frame_that_is_no_json_object_is_an_error_that_says_so(frame: str) -> None:
    made = Outcome([*PLAIN[:2], event(frame), *PLAIN[2:]])
    assert isinstance(made.error, MalformedReplyError)
    assert "JSON" in str(made.error)
    assert made.text == "Hel"


def test_a_key_in_a_broken_frame_is_not_shown_not_even_in_part() -> None:
    for before in range(480, 520):
        made = Outcome([event("{" + "x" * before + KEY + "y" * 50)])
        assert made.error is not None
        for text in (str(made.error), made.error.body or ""):
            assert KEY[:8] not in text


@pytest.mark.case(53)
def test_a_field_of_the_wrong_kind_is_an_error_that_names_it() -> None:
    made = Outcome([chunk({"content": "a", "refusal": 7})])
    assert isinstance(made.error, MalformedReplyError)
    assert "choices.0.delta.refusal" in str(made.error)


@pytest.mark.case(54)
def test_comments_heartbeats_bom_and_line_ends_do_not_matter() -> None:
    raw = b"\xef\xbb\xbf: ping\r\n\r\ndata:\r\n\r\n" + b"".join([*PLAIN, DONE])
    made = Outcome([raw.replace(b"\n", b"\r\n").replace(b"\r\r", b"\r"), b"event: ping\n\n"])
    assert (made.text, made.error) == ("Hello", None)
    assert Outcome([b"".join(PLAIN).replace(b"data: {", b"data:{\ndata:  ")]).text == "Hello"


@pytest.mark.case(55)
@pytest.mark.parametrize(
    "odd",
    [
        event({"choices": []}),
        event({"choices": None}),
        event({"choices": 5}),
        event({"choices": "abc"}),
        event({"choices": [None, "x", 3]}),
        event({}),
        event({"id": 3, "created": "x", "model": None, "usage": "x", "choices": []}),
        event('{"created": 1e999, "usage": {"prompt_tokens": NaN}, "choices": []}'),
        event({"error": None, "system_fingerprint": 7, "choices": []}),
        chunk({}),
        chunk(None),
        chunk("text"),
        chunk([]),
        chunk({"content": None, "tool_calls": None, "function_call": None}),
        chunk({"tool_calls": []}),
        chunk({"tool_calls": [None, 3]}),
        chunk({"tool_calls": "x"}),
        chunk({"content": ""}),
    ],
)
def test_a_chunk_that_says_nothing_is_passed_over(odd: bytes) -> None:
    made = Outcome([*PLAIN[:2], odd, *PLAIN[2:], odd, DONE])
    assert (made.text, made.error, made.reasons[-1]) == ("Hello", None, "stop")
    assert len(made.chunks) == 4
    assert Outcome([odd, *PLAIN, odd]).text == "Hello"


@pytest.mark.case(62)
@pytest.mark.parametrize(
    "shape", [{"message": {"role": "assistant", "content": "Hi"}}, {"text": "Hi"}]
)
def test_a_host_that_streams_messages_or_texts_is_understood(shape: dict[str, Any]) -> None:
    made = Outcome([chunk(None, "stop", choice=shape)])
    assert (made.text, made.reasons) == ("Hi", [None, "stop"])


def test_content_in_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert Outcome([chunk({"content": parts}, "stop")]).text == "ab"


@pytest.mark.case(23)
def test_two_choices_are_two_streams_in_one() -> None:
    made = Outcome(
        [
            chunk({"content": "a"}, index=1),
            chunk({"content": "b"}, index=0),
            chunk({"content": "c"}, "stop", index=1),
            chunk({}, "length", index=0),
            DONE,
        ]
    )
    answer = fold(made.chunks)
    assert [(c.message.content, c.finish_reason) for c in answer.choices] == [
        ("b", "length"),
        ("ac", "stop"),
    ]
    roles = [c.delta.role for x in made.chunks for c in x.choices]
    assert roles == ["assistant", "assistant", None, None, None]


def test_choices_without_an_index_are_told_apart_by_their_place() -> None:
    both = [{"delta": {"content": text}, "finish_reason": "stop"} for text in "ab"]
    made = Outcome([event({"choices": both}), DONE])
    assert [c.message.content for c in fold(made.chunks).choices] == ["a", "b"]


def test_what_only_this_host_sends_passes_through() -> None:
    made = Outcome(
        [chunk({"content": "a", "x_delta": 1}, "stop", choice={"x": 2}, x_extra={"k": 3})]
    )
    plain = made.plain
    assert plain[0]["x_extra"] == plain[1]["x_extra"] == {"k": 3}
    assert plain[0]["choices"][0]["x"] == 2
    assert plain[0]["choices"][0]["delta"]["x_delta"] == 1


def test_logprobs_alone_say_something() -> None:
    made = Outcome([*PLAIN[:1], chunk({}, choice={"logprobs": {"content": [1]}}), *PLAIN[1:]])
    assert made.chunks[1].choices[0].logprobs == {"content": [1], "refusal": None}
