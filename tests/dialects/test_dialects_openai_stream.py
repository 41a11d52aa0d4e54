from __future__ import annotations

import gc
import itertools
import json
import time
import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.anything import anything
from tests.support.contexts import KEY, context_for, request_for, target_for
from typing_extensions import override

from puna.dialects.openai_stream import OpenAIStreamReader
from puna.dialects.quirks import Quirks
from puna.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    MalformedReplyError,
    RateLimitError,
    StreamInterruptedError,
)
from puna.types.chat import ChatCompletionChunk
from puna.wire.fold import fold
from puna.wire.sse import SSEEvent

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15}


def event(data: Any, name: str = "") -> bytes:
    text = data if isinstance(data, str) else json.dumps(data)
    return f"{f'event: {name}' + chr(10) if name else ''}data: {text}\n\n".encode()


def chunk(
    delta: Any = None, finish: Any = None, *, index: Any = 0, choice: Any = None, **more: Any
) -> bytes:
    made = {"index": index, "delta": delta, "finish_reason": finish, **(choice or {})}
    return event({"id": "up-1", "created": 17, "model": "up", "choices": [made], **more})


def call(**piece: Any) -> bytes:
    return chunk({"tool_calls": [piece]})


class Outcome:
    """What a stream came to."""

    def __init__(
        self,
        pieces: Iterable[bytes],
        *,
        is_framed: bool = False,
        quirks: Quirks | None = None,
        **request: Any,
    ) -> None:
        asked = request_for(stream=True, **request)
        self.reader = OpenAIStreamReader(
            context_for(request=asked, target=target_for(quirks=quirks or Quirks()))
        )
        self.reader.is_framed = is_framed
        self.chunks = [made for piece in pieces for made in self.reader.feed(piece)]
        self.chunks += self.reader.close()
        self.error = self.reader.error

    @property
    def plain(self) -> list[dict[str, Any]]:
        return [made.model_dump(exclude_none=True) for made in self.chunks]

    @property
    def text(self) -> str | None:
        return fold(self.chunks).choices[0].message.content

    @property
    def reasons(self) -> list[str | None]:
        return [c.finish_reason for made in self.chunks for c in made.choices]

    @property
    def calls(self) -> list[tuple[str | None, str | None, str]]:
        found = fold(self.chunks).choices[0].message.tool_calls or []
        return [(c.id, c.function.name, c.function.arguments) for c in found]


PLAIN = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Hel"}),
    chunk({"content": "lo"}),
    chunk({}, "stop"),
]


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


# --- tools


@pytest.mark.case(70)
def test_a_call_has_its_id_and_name_once_and_its_arguments_in_pieces() -> None:
    made = Outcome(
        [
            call(index=0, id="call_1", type="function", function={"name": "f", "arguments": ""}),
            call(index=0, id="call_1", type="function", function={"name": "f", "arguments": '{"a'}),
            call(index=0, function={"name": None, "arguments": '": 1}'}),
            chunk({}, "tool_calls"),
            DONE,
        ]
    )
    assert made.calls == [("call_1", "f", '{"a": 1}')]
    pieces = [p for c in made.chunks for p in c.choices[0].delta.tool_calls or []]
    assert [(p.index, p.id, p.type) for p in pieces] == [
        (0, "call_1", "function"),
        (0, None, None),
        (0, None, None),
    ]
    assert [p.function.name for p in pieces if p.function] == ["f", None, None]
    assert fold(made.chunks).choices[0].message.content is None


@pytest.mark.case(69)
def test_interleaved_calls_are_kept_apart_by_their_index() -> None:
    made = Outcome(
        [
            call(index=1, id="b", function={"name": "g", "arguments": "["}),
            call(index=0, id="a", function={"name": "f", "arguments": "{"}),
            call(index=1, function={"arguments": "]"}),
            call(index=0, function={"arguments": "}"}),
            chunk({}, "tool_calls"),
        ]
    )
    assert made.calls == [("b", "g", "[]"), ("a", "f", "{}")]


MADE = "call_00000000000000000000000000000001_0_"


@pytest.mark.case(71)
@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        # no id: made, and the same for the whole stream
        (
            [{"index": 0, "function": {"name": "f"}}, {"index": 0, "id": "late", "function": {}}],
            [(MADE + "0", "f", "{}")],
        ),
        # no index: a new id begins the next call
        (
            [
                {"id": "a", "function": {"name": "f", "arguments": "{"}},
                {"function": {"arguments": "}"}},
                {"id": "b", "function": {"name": "g", "arguments": "1"}},
                {"id": "a", "function": {"arguments": " "}},
            ],
            [("a", "f", "{} "), ("b", "g", "1")],
        ),
        # neither: a name begins the next call
        (
            [
                {"function": {"name": "f", "arguments": {"a": 1}}},
                {"function": {"name": "f", "arguments": {"a": 2}}},
            ],
            [(MADE + "0", "f", '{"a": 1}'), (MADE + "1", "f", '{"a": 2}')],
        ),
        # arguments before the name
        (
            [
                {"index": 0, "function": {"arguments": "{}"}},
                {"index": 0, "function": {"name": "f"}},
            ],
            [(MADE + "0", "f", "{}")],
        ),
        # an index that is none
        ([{"index": "0", "id": 7, "function": {"name": "f"}}], [(MADE + "0", "f", "{}")]),
        # all calls at index 0
        (
            [
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}},
                {"index": 0, "id": "b", "function": {"name": "f", "arguments": "[]"}},
                {"index": 0, "function": {"arguments": " "}},
            ],
            [("a", "f", "{}"), ("b", "f", "[] ")],
        ),
        # the same without ids
        (
            [
                {"index": 0, "function": {"name": "f", "arguments": "{}"}},
                {"index": 0, "function": {"name": "g", "arguments": "[]"}},
            ],
            [(MADE + "0", "f", "{}"), (MADE + "1", "g", "[]")],
        ),
        # another id in each piece, without a name, is still the same call
        (
            [
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}},
                {"index": 0, "id": "b", "function": {"arguments": "}"}},
            ],
            [("a", "f", "{}")],
        ),
    ],
)
def test_calls_without_index_id_or_type_are_told_apart(
    pieces: list[dict[str, Any]], calls: list[tuple[str, str | None, str]]
) -> None:
    made = Outcome([*(call(**piece) for piece in pieces), chunk({}, "stop"), DONE])
    assert made.calls == calls
    assert made.reasons[-1] == "tool_calls"
    given = fold(made.chunks).choices[0].message.tool_calls or []
    assert {c.type for c in given} == {"function"}


@pytest.mark.case(66)
@pytest.mark.parametrize(
    "piece",
    [
        {"function": {"arguments": "{}"}},
        {"index": 0, "id": "c", "function": {"name": "", "arguments": "{}"}},
        {"index": 0},
    ],
)
@pytest.mark.parametrize("end", [[DONE], []])
def test_a_call_that_never_got_a_name_ends_the_stream_with_an_error(
    piece: dict[str, Any], end: list[bytes]
) -> None:
    made = Outcome([call(**piece), chunk({}, "stop"), *end])
    assert isinstance(made.error, MalformedReplyError)
    assert "names no function" in str(made.error)
    assert made.reasons == [None]


def test_a_streamed_call_of_another_type_needs_no_function() -> None:
    piece = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}
    made = Outcome([call(**piece), chunk({}, "stop"), DONE])
    assert made.error is None


def test_a_streamed_call_of_another_type_keeps_its_type_and_later_pieces_say_none() -> None:
    first = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "f", "input": ""}}
    more = [{"index": 0, "custom": {"input": text}} for text in ("x", "yz")]
    made = Outcome([call(**first), *(call(**one) for one in more), chunk({}, "stop"), DONE])
    assert made.error is None
    calls = fold(made.chunks).choices[0].message.tool_calls
    assert calls is not None
    assert [one.type for one in calls] == ["custom"]
    assert (calls[0].model_extra or {})["custom"] == {"name": "f", "input": "xyz"}


@pytest.mark.case(72, 73)
def test_arguments_become_text_and_broken_ones_stay_as_they_are() -> None:
    made = Outcome(
        [
            call(index=0, id="a", function={"name": "f", "arguments": {"ort": "Köln"}}),
            call(index=1, id="b", function={"name": "g", "arguments": '{"x": "San Fr'}),
            call(index=2, id="c", function={"name": "h"}),
            chunk({}, "tool_calls"),
        ]
    )
    assert [arguments for _, _, arguments in made.calls] == [
        '{"ort": "Köln"}',
        '{"x": "San Fr',
        "{}",
    ]


@pytest.mark.case(76)
def test_a_legacy_function_call_is_streamed_and_mended() -> None:
    made = Outcome(
        [
            chunk({"function_call": {"name": "f", "arguments": {"a": 1}}}),
            chunk({"function_call": {"arguments": None}}),
            chunk({"function_call": {}}, "function_call"),
        ]
    )
    function = fold(made.chunks).choices[0].message.function_call
    assert function is not None
    assert (function.name, function.arguments) == ("f", '{"a": 1}')


# --- laws

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


# --- the short way for usual events


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
