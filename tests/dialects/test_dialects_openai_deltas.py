"""Streamed tool calls: their pieces join up to one call, whatever the host leaves out."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.openai_events import DONE, Outcome, call, chunk

from puna.errors import (
    MalformedReplyError,
)
from puna.wire.fold import fold


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
