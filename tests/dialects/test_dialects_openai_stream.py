"""Streams of OpenAI's API: their order, their usage and their ends."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.contexts import context_for, request_for
from tests.support.openai_events import DONE, PLAIN, USAGE, Outcome, call, chunk, event

from puna.dialects.openai_stream import OpenAIStreamReader
from puna.dialects.quirks import Quirks
from puna.errors import (
    MalformedReplyError,
    StreamInterruptedError,
)


@pytest.mark.case(44, 45, 46)
def test_one_id_one_model_one_created_the_role_first_and_the_finish_last() -> None:
    made = Outcome(
        [
            event({"id": None, "choices": [], "prompt_filter_results": []}),
            chunk({"role": "assistant", "content": "Hel"}, id="a", created=5, model="x"),
            chunk({"role": "assistant", "content": "lo"}, id="b", created=6, model="y"),
            chunk({"role": "assistant"}, "stop", id=7, created=None),
            DONE,
        ]
    )
    head = {
        "object": "chat.completion.chunk",
        "model": "meta_llama/m",
        "id": "a",
        "created": 5,
    }
    first = {"index": 0, "delta": {"role": "assistant", "content": "Hel"}}
    assert made.plain == [
        {**head, "choices": [first]},
        {**head, "choices": [{"index": 0, "delta": {"content": "lo"}}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    assert made.error is None
    assert (made.reader.is_done, made.reader.finish_reason) == (True, "stop")


@pytest.mark.case(44, 45)
def test_id_and_created_of_the_host_are_kept_for_the_whole_stream() -> None:
    made = Outcome([*PLAIN, DONE])
    assert {(c.id, c.created) for c in made.chunks} == {("up-1", 17)}
    assert made.text == "Hello"


@pytest.mark.case(44, 64)
def test_a_role_is_given_where_the_host_gives_none() -> None:
    made = Outcome([chunk({"content": "a"}), chunk({"content": "b"}, "stop"), DONE])
    assert [c.choices[0].delta.role for c in made.chunks] == ["assistant", None, None]
    assert all(hasattr(c.choices[0], "delta") for c in made.chunks)


@pytest.mark.case(46)
def test_content_after_the_finish_comes_before_it() -> None:
    made = Outcome(
        [chunk({"content": "a"}, "stop"), chunk({"content": "b"}, "stop"), chunk({}, "length")]
    )
    assert made.text == "ab"
    assert made.reasons == [None, None, "stop"]


@pytest.mark.case(68)
def test_stop_is_tool_calls_where_there_are_calls_even_later_ones() -> None:
    made = Outcome(
        [chunk({"content": None}, "stop"), call(index=0, id="a", function={"name": "f"})]
    )
    assert made.reasons == [None, None, "tool_calls"]
    assert made.reader.finish_reason == "tool_calls"


def test_other_reasons_are_kept_and_odd_ones_are_never_stop() -> None:
    assert Outcome([chunk({"content": "a"}, "length")]).reasons == [None, "length"]
    assert Outcome([chunk({"content": "a"}, {"odd": 1})]).reasons == [None, "unknown"]
    assert Outcome([chunk({"content": "a"}, ""), chunk({}, "stop")]).reasons == [None, "stop"]


@pytest.mark.case(47)
def test_the_usage_that_was_asked_for_is_the_last_chunk_without_choices() -> None:
    for sent in ([chunk({}, "stop", usage=USAGE)], [PLAIN[-1], event({"usage": USAGE})]):
        made = Outcome([*PLAIN[:-1], *sent, DONE], stream_options={"include_usage": True})
        assert [bool(c.choices) for c in made.chunks] == [True] * (len(made.chunks) - 1) + [False]
        last = made.chunks[-1]
        assert last.usage is not None
        assert last.usage.total_tokens == 15
        assert (last.id, last.created, last.model) == ("up-1", 17, "meta_llama/m")
        assert made.reasons[-1] == "stop"


@pytest.mark.case(47)
def test_no_usage_chunk_comes_where_the_host_tells_none() -> None:
    made = Outcome([*PLAIN, event({"choices": [], "usage": {}}), DONE])
    assert made.reader.usage is None
    asked = Outcome([*PLAIN, DONE], stream_options={"include_usage": True})
    assert asked.reader.usage is None
    assert all(c.choices for c in asked.chunks)


@pytest.mark.case(48)
def test_usage_that_nobody_asked_for_makes_no_chunk_but_is_known() -> None:
    made = Outcome(
        [chunk({"content": "a"}, usage=USAGE), chunk({}, "stop"), event({"usage": USAGE})]
    )
    assert all(c.choices and c.usage is None for c in made.chunks)
    assert made.reader.usage is not None
    assert made.reader.usage.prompt_tokens == 11


@pytest.mark.case(49)
@pytest.mark.parametrize("given", [PLAIN[:-1], PLAIN[:1], []])
def test_a_stream_that_ends_too_early_is_an_error_and_no_stop_is_made_up(
    given: list[bytes],
) -> None:
    made = Outcome(given)
    assert isinstance(made.error, StreamInterruptedError)
    assert not any(made.reasons)
    assert made.error.model == "meta_llama/m"
    assert ("without any content" in str(made.error)) is (given == [])
    assert made.reader.is_done


@pytest.mark.case(49)
def test_one_choice_without_a_finish_makes_the_stream_cut() -> None:
    made = Outcome([chunk({"content": "a"}, "stop"), chunk({"content": "b"}, index=1)])
    assert isinstance(made.error, StreamInterruptedError)


@pytest.mark.case(49)
def test_a_stream_that_ends_inside_a_frame_is_cut_not_malformed() -> None:
    made = Outcome([*PLAIN[:2], b'data: {"id": "up-1", "choi'])
    assert isinstance(made.error, StreamInterruptedError)
    assert "in the middle of a frame" in str(made.error)
    assert made.text == "Hel"


@pytest.mark.case(50)
def test_a_finish_without_done_is_an_end() -> None:
    made = Outcome(PLAIN)
    assert (made.text, made.error, made.reader.is_done) == ("Hello", None, True)
    assert Outcome([*PLAIN[:-1], PLAIN[-1].rstrip()]).error is None


@pytest.mark.parametrize("last", [b"[done]", b"DONE", b"[DONE", b"<html>502</html>", b"bye"])
def test_what_is_no_json_behind_the_whole_answer_ends_it(last: bytes) -> None:
    made = Outcome([*PLAIN, b"data: " + last + b"\n\n"])
    assert made.error is None
    assert (made.text, made.reader.is_done, made.reader.finish_reason) == ("Hello", True, "stop")


@pytest.mark.parametrize("last", [b'{"choices":[', b'{"error": oops'])
def test_half_an_object_behind_the_whole_answer_is_an_error(last: bytes) -> None:
    made = Outcome([*PLAIN, b"data: " + last + b"\n\n"])
    assert isinstance(made.error, MalformedReplyError)


def test_a_frame_that_is_no_json_before_the_finish_is_an_error() -> None:
    made = Outcome([*PLAIN[:-1], b"data: [done]\n\n"])
    assert isinstance(made.error, MalformedReplyError)


def test_done_without_a_finish_ends_the_text_with_stop() -> None:
    """opencode#43379, opencode#43622: without a finish, agents ask again without end."""
    made = Outcome([*PLAIN[:-1], DONE])
    assert (made.text, made.error, made.reasons[-1]) == ("Hello", None, "stop")
    assert made.reader.is_finish_assumed
    assert not Outcome([*PLAIN, DONE]).reader.is_finish_assumed


CALLED = {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x": 1}'}}
HALF = {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x": '}}
BARE = {"index": 0, "id": "a", "function": {"name": "f"}}


@pytest.mark.parametrize("piece", [CALLED, BARE])
@pytest.mark.parametrize("is_done", [True, False])
def test_whole_calls_without_a_finish_end_with_tool_calls(
    piece: dict[str, Any], *, is_done: bool
) -> None:
    """opencode#43379."""
    made = Outcome([chunk({"content": "a"}), call(**piece), *[DONE] * is_done], is_framed=True)
    assert (made.error, made.reasons[-1]) == (None, "tool_calls")


@pytest.mark.parametrize("is_done", [True, False])
def test_half_a_call_without_a_finish_is_an_interruption(*, is_done: bool) -> None:
    made = Outcome([chunk({"content": "a"}), call(**HALF), *[DONE] * is_done], is_framed=True)
    assert isinstance(made.error, StreamInterruptedError)
    assert not any(made.reasons)


def test_a_body_that_ends_well_after_text_has_a_finish_and_one_that_may_be_cut_has_none() -> None:
    """opencode#43882: Muse on a gateway ends its body without a finish and without `[DONE]`."""
    made = Outcome(PLAIN[:-1], is_framed=True)
    assert (made.text, made.error, made.reasons[-1]) == ("Hello", None, "stop")
    assert made.reader.is_finish_assumed
    cut = Outcome(PLAIN[:-1])
    assert isinstance(cut.error, StreamInterruptedError)
    thoughts = [chunk({"role": "assistant", "reasoning_content": "Hm."})]
    assert isinstance(Outcome(thoughts, is_framed=True).error, StreamInterruptedError)
    assert Outcome([*thoughts, DONE], is_framed=True).reasons[-1] == "stop"


def test_each_choice_without_a_finish_gets_one() -> None:
    made = Outcome(
        [chunk({"content": "a"}), chunk({"content": "b"}, index=1), chunk({}, "length"), DONE], n=2
    )
    finishes = {c.index: c.finish_reason for one in made.chunks for c in one.choices}
    assert finishes == {0: "length", 1: "stop"}


def test_an_answer_has_finished_when_all_choices_that_were_asked_for_have() -> None:
    two = OpenAIStreamReader(context_for(request=request_for(stream=True, n=2)))
    two.feed(chunk({"content": "a"}, "stop"))
    assert not two.has_finished
    two.feed(chunk({"content": "b"}, "stop", index=1))
    assert two.has_finished


MUSE = Quirks(omits_usage_at_cap=True)


@pytest.mark.parametrize("said", [PLAIN[:-1], [chunk({"role": "assistant"})]], ids=["cut", "empty"])
@pytest.mark.parametrize("cap", ["max_tokens", "max_completion_tokens"])
def test_a_capped_stream_that_stops_without_usage_reached_its_cap(
    said: list[bytes], cap: str
) -> None:
    """Meta's Muse streams: hidden thoughts may eat the whole cap, and the stop is empty."""
    asked: dict[str, Any] = {"stream_options": {"include_usage": True}, cap: 16}
    made = Outcome([*said, chunk({}, "stop"), DONE], quirks=MUSE, **asked)
    assert (made.reasons[-1], made.reader.capped_tokens) == ("length", 16)


def test_only_a_capped_stop_without_the_usage_that_was_asked_for_is_one() -> None:
    asked: dict[str, Any] = {"stream_options": {"include_usage": True}}
    usual: dict[str, Any] = {"quirks": MUSE, "max_tokens": 16, **asked}
    usage = event({"choices": [], "usage": USAGE})
    for made in (
        Outcome([*PLAIN, usage, DONE], **usual),
        Outcome([*PLAIN, DONE], quirks=MUSE, **asked),
        Outcome([*PLAIN, DONE], quirks=MUSE, max_tokens=16),
        Outcome([*PLAIN, DONE], max_tokens=16, **asked),
    ):
        assert [one for one in made.reasons if one] == ["stop"]
        assert made.reader.capped_tokens is None


def test_done_alone_is_no_answer() -> None:
    made = Outcome([DONE])
    assert isinstance(made.error, MalformedReplyError)
    assert made.chunks == []


def test_after_the_end_nothing_more_is_taken() -> None:
    made = Outcome([*PLAIN, DONE, chunk({"content": "more"})])
    assert made.text == "Hello"
    assert made.reader.feed(chunk({"content": "more"})) == []
    assert made.reader.close() == []
    asked = Outcome([*PLAIN, event({"usage": USAGE})], stream_options={"include_usage": True})
    assert asked.chunks[-1].usage is not None
    assert asked.reader.close() == []
    assert asked.reader.feed(PLAIN[1]) == []
