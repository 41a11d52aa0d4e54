"""Which call a piece belongs to, over the ways in which hosts number, repeat and omit things."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.contexts import context_for, request_for
from tests.support.rescue import tools_named

from puna.dialects.openai_chat import OpenAIChat
from puna.dialects.openai_stream import OpenAIStreamReader
from puna.dialects.tool_call_identity import PartialArguments
from puna.types.chat import ChatCompletionChunk
from puna.wire.fold import fold
from puna.wire.http import HTTPReply

Call = tuple[str, str]
"""A name, and arguments."""
MADE = "call_00000000000000000000000000000001_0_"
TOOLS = tools_named("get_weather", "get_time", "exec")


def chunk(*pieces: dict[str, Any], finish: str | None = None) -> bytes:
    delta = {"tool_calls": list(pieces)} if pieces else {}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    data = {"id": "up", "created": 1, "model": "m", "choices": [choice]}
    return b"data: %b\n\n" % json.dumps(data).encode()


def piece(
    index: int | None = None,
    call_id: str | None = None,
    name: str | None = None,
    arguments: Any = None,
) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    told = {"index": index, "id": call_id, "type": "function" if name else None}
    return {
        **{key: value for key, value in told.items() if value is not None},
        "function": {key: value for key, value in function.items() if value is not None},
    }


def read(pieces: Sequence[dict[str, Any]]) -> list[ChatCompletionChunk]:
    request = request_for(stream=True, tools=TOOLS)
    reader = OpenAIStreamReader(context_for(request=request))
    frames = [*map(chunk, pieces), chunk(finish="tool_calls"), b"data: [DONE]\n\n"]
    chunks = [made for frame in frames for made in reader.feed(frame)]
    assert reader.error is None
    return chunks


def calls_of(pieces: Sequence[dict[str, Any]]) -> list[tuple[str | None, str | None, str]]:
    found = fold(read(pieces)).choices[0].message.tool_calls or []
    return [(one.id, one.function.name, one.function.arguments) for one in found]


ARGS = '{"cmd": "ls {"}'


@pytest.mark.parametrize(
    "pieces",
    [
        [piece(0, "a", "exec", ""), piece(1, "a", None, ARGS)],
        [piece(0, "a", "exec", ""), piece(1, "a", "exec", ARGS)],
        [
            piece(0, "a", "exec", ""),
            piece(1, "a", "exec", ARGS[:4]),
            piece(1, None, None, ARGS[4:]),
        ],
        [piece(0, "a", "exec", ARGS), piece(1, "a", "exec", ARGS)],
        [piece(0, "a", "exec", ARGS), piece(1, "a", "exec", '{"cmd":"ls {"}')],
        [
            piece(0, "a", "exec", ARGS),
            piece(1, "a", "exec", {"cmd": "ls {"}),
            piece(2, "a", "exec"),
        ],
        [
            piece(0, "a", "exec", ARGS[:6]),
            piece(0, None, None, ARGS[6:]),
            piece(1, "a", "exec", ARGS[:3]),
            piece(1, None, None, ARGS[3:5]),
            piece(1, None, None, ARGS[5:]),
        ],
        [piece(0, "a", "exec", ARGS[:6]), piece(1, "a", "exec", ARGS)],
        [
            piece(0, "a", "exec", ARGS[:6]),
            piece(1, "a", "exec", ARGS[:6]),
            piece(0, None, None, ARGS[6:]),
            piece(1, None, None, ARGS[6:]),
        ],
        [piece(0, "a", "exec", ARGS), piece(None, "a", "exec", ARGS)],
        [piece(0, "a", "exec", ARGS[:6]), piece(1, "a", None, ARGS[6:])],
        [piece(0, "a", "exec", ARGS[:6]), piece(1, "a", "exec", ARGS[6:])],
        [piece(0, "a", "exec", ARGS[:6]), piece(1, "a", "exec"), piece(1, None, None, ARGS[6:])],
    ],
)
def test_one_id_under_two_indexes_is_one_call_localai_9722(pieces: list[dict[str, Any]]) -> None:
    assert calls_of(pieces) == [("a", "exec", ARGS)]


def test_the_rest_of_a_call_under_another_index_belongs_to_the_open_call_agno_8880() -> None:
    first, second = '{"chart": "A"}', '{"chart": "B", "series": []}'
    pieces = [
        piece(0, "a", "exec", first),
        piece(0, "b", "exec", second[:9]),
        piece(1, None, None, second[9:]),
        piece(1, "c", "get_time", ""),
        piece(0, None, None, "{"),
        piece(0, None, None, "}"),
    ]
    assert calls_of(pieces) == [
        ("a", "exec", first),
        ("b", "exec", second),
        ("c", "get_time", "{}"),
    ]


@pytest.mark.parametrize("cuts", [[], [0], [5], [0, 3, 8]])
@pytest.mark.parametrize("repeats_name", [True, False])
def test_two_calls_of_one_function_at_index_0_are_two_hermes_62937(
    cuts: list[int],
    repeats_name: bool,  # noqa: FBT001
) -> None:
    first, second = '{"date": "06-11"}', '{"date": "06-12"}'
    pieces: list[dict[str, Any]] = []
    for arguments in (first, second, second):
        ends = [0, *cuts, len(arguments)] if cuts else [0, len(arguments)]
        parts = [arguments[a:b] for a, b in itertools.pairwise(ends)]
        pieces += [
            piece(0, None, "exec" if repeats_name or not at else None, part)
            for at, part in enumerate(parts)
        ]
    made = [(f"{MADE}{at}", "exec", text) for at, text in enumerate((first, second, second))]
    assert calls_of(pieces) == made


def test_objects_at_one_index_without_name_or_id_are_calls_of_the_same_function() -> None:
    pieces = [piece(0, None, "exec", '{"a": 1}'), piece(0, None, None, '{"a": 2}')]
    assert calls_of(pieces) == [(MADE + "0", "exec", '{"a": 1}'), (MADE + "1", "exec", '{"a": 2}')]
    pieces = [piece(None, None, "exec", '{"a": 1}'), piece(None, None, None, '{"a": 2}')]
    assert [text for _, _, text in calls_of(pieces)] == ['{"a": 1}', '{"a": 2}']


def test_a_name_that_comes_again_after_whole_arguments_makes_no_call_alone() -> None:
    pieces = [piece(0, None, "exec", '{"a": 1}'), piece(0, None, "exec", "")]
    assert calls_of(pieces) == [(MADE + "0", "exec", '{"a": 1}')]
    pieces.append(piece(0, None, None, '{"a": 2}'))
    assert [text for _, _, text in calls_of(pieces)] == ['{"a": 1}', '{"a": 2}']


@pytest.mark.parametrize(
    "again", [piece(0, "a", "get_time", '{"b": 2}'), piece(0, "a", "exec", '{"b": 2}')]
)
def test_an_id_that_a_host_gives_to_two_calls_is_given_once(again: dict[str, Any]) -> None:
    first, second = calls_of([piece(0, "a", "exec", '{"a": 1}'), again])
    assert first == ("a", "exec", '{"a": 1}')
    assert second == (MADE + "1", again["function"]["name"], '{"b": 2}')


def test_two_free_form_calls_at_index_0_are_told_apart_by_id_or_name() -> None:
    def custom(call_id: str | None, name: str | None, text: str) -> dict[str, Any]:
        said = {"name": name, "input": text}
        told = {"index": 0, "id": call_id, "type": "custom" if name else None, "custom": said}
        return {key: value for key, value in told.items() if value is not None}

    for ids in (("a", "b"), (None, None)):
        names = ("exec", "exec") if ids[0] else ("exec", "get_time")
        pieces = [custom(ids[0], names[0], "x"), custom(ids[1], names[1], "y")]
        found = fold(read(pieces)).choices[0].message.tool_calls or []
        said = [(one.model_extra or {})["custom"]["input"] for one in found]
        assert said == ["x", "y"]


@pytest.mark.parametrize("end", ["", "whole"])
def test_a_name_in_two_pieces_is_sent_whole_and_once(end: str) -> None:
    pieces = [piece(0, "a", "get_"), piece(0, None, "wea"), piece(0, None, "ther")]
    if end:
        pieces += [piece(0, None, "", "{}")]
    chunks = read(pieces)
    told = [
        one.function.name
        for made in chunks
        for one in made.choices[0].delta.tool_calls or ()
        if one.function is not None and one.function.name
    ]
    assert told == ["get_weather"]
    longer = [piece(0, "a", "get_"), piece(0, "a", "get_time"), piece(0, "a", "get_time", "{}")]
    assert calls_of(longer) == [("a", "get_time", "{}")]


def test_a_name_that_stays_a_part_is_sent_as_it_is() -> None:
    assert calls_of([piece(0, "a", "get_")]) == [("a", "get_", "{}")]
    assert calls_of([piece(0, "a", "get_"), piece(0, None, None, "{}")]) == [("a", "get_", "{}")]


def test_a_call_that_comes_twice_in_a_whole_answer_is_one_localai_9722() -> None:
    def whole(*calls: tuple[str | None, str, Any]) -> list[tuple[str | None, str | None, str]]:
        given = [
            {"index": at, "id": call_id, "function": {"name": name, "arguments": arguments}}
            for at, (call_id, name, arguments) in enumerate(calls)
        ]
        message = {"role": "assistant", "content": None, "tool_calls": given}
        body = {"choices": [{"message": message, "finish_reason": "tool_calls"}]}
        reply = HTTPReply(200, {}, json.dumps(body).encode())
        answer = OpenAIChat().read_reply(reply, context_for())
        found = answer.choices[0].message.tool_calls or []
        return [(one.id, one.function.name, one.function.arguments) for one in found]

    assert whole(("a", "f", "{}"), ("a", "f", "{}"), ("b", "f", "{}")) == [
        ("a", "f", "{}"),
        ("b", "f", "{}"),
    ]
    assert whole(("a", "f", "{}"), ("a", "f", "[1]"), ("a", "g", {})) == [
        ("a", "f", "{}"),
        (MADE + "1", "f", "[1]"),
        (MADE + "2", "g", "{}"),
    ]
    assert whole((None, "f", "{}"), (" ", "f", "{}")) == [
        (MADE + "0", "f", "{}"),
        (MADE + "1", "f", "{}"),
    ]


# --- all ways at once


@dataclass(frozen=True)
class Host:
    """How a host tells of its calls."""

    numbers: str
    ids: str
    repeats_name: bool
    cuts_names: bool
    has_empty_head: bool
    is_object: bool
    repeats_call: bool

    def pieces(self, calls: Sequence[Call], cuts: Sequence[int]) -> list[list[dict[str, Any]]]:
        """The pieces of each call."""
        return [self._pieces(at, call, cuts) for at, call in enumerate(calls)]

    def _pieces(self, at: int, call: Call, cuts: Sequence[int]) -> list[dict[str, Any]]:
        name, arguments = call
        places = [0, *sorted(cut % (len(arguments) + 1) for cut in cuts), len(arguments)]
        texts: list[Any] = [arguments[a:b] for a, b in itertools.pairwise(places)]
        if self.is_object:
            texts = [json.loads(arguments)]
        names = [name]
        if self.cuts_names:
            names = [name[:3], name[3:]]
        heads: list[tuple[str, str | None]] = [(part, None) for part in names[:-1]]
        if self.has_empty_head:
            heads.append((names[-1], ""))
            tails = [(name if self.repeats_name else None, text) for text in texts]
        else:
            tails = [(names[-1], texts[0])]
            tails += [(name if self.repeats_name else None, text) for text in texts[1:]]
        made = [
            piece(self._index(at, position), self._id(at, position), part, text)
            for position, (part, text) in enumerate([*heads, *tails])
        ]
        if self.repeats_call:
            made.append(piece(made[-1].get("index", 0) + 7, f"id_{at}", name, arguments))
        return made

    def _index(self, at: int, position: int) -> int | None:
        return {
            "counted": at,
            "all 0": 0,
            "none": None,
            "the rest at the next": at if position == 0 else at + 1,
            "the head by the tool": 5 - at if position == 0 else at,
            "from 1": at + 1,
        }[self.numbers]

    def _id(self, at: int, position: int) -> str | None:
        is_told = {"all": True, "head": position == 0, "last": position > 0, "none": False}
        return f"id_{at}" if is_told[self.ids] else None


OBJECTS = st.dictionaries(
    st.text(max_size=3), st.text(max_size=4) | st.integers() | st.just({"{": ["}"]}), max_size=3
)
CALLS = st.lists(
    st.tuples(st.sampled_from(["get_weather", "get_time", "exec"]), OBJECTS.map(json.dumps)),
    min_size=1,
    max_size=4,
)
HOSTS = st.builds(
    Host,
    numbers=st.sampled_from(
        ["counted", "all 0", "none", "the rest at the next", "the head by the tool", "from 1"]
    ),
    ids=st.sampled_from(["all", "head", "last", "none"]),
    repeats_name=st.booleans(),
    cuts_names=st.booleans(),
    has_empty_head=st.booleans(),
    is_object=st.booleans(),
    repeats_call=st.booleans(),
)


def is_decidable(host: Host) -> bool:
    """Whether somebody could tell the calls apart at all."""
    if host.repeats_call and host.ids not in ("all", "head"):
        return False
    if host.ids == "last" and host.numbers not in ("counted", "from 1", "all 0"):
        return False
    if host.ids == "all":
        return True
    is_moved = host.numbers in ("the rest at the next", "the head by the tool")
    return not (host.repeats_name and is_moved and host.ids == "none")


@given(HOSTS.filter(is_decidable), CALLS, st.lists(st.integers(0, 60), max_size=4), st.randoms())
def test_however_a_host_tells_of_its_calls_they_are_the_same(
    host: Host, calls: list[Call], cuts: list[int], dice: Any
) -> None:
    lines = host.pieces(calls, cuts)
    pieces = [one for line in lines for one in line]
    if host.numbers == "counted" or host.ids == "all":
        # Pieces of several calls may be mixed, as long as the calls begin in their order.
        order = [at for at, line in enumerate(lines) for _ in line[1:]]
        dice.shuffle(order)
        rest = [list(line[1:]) for line in lines]
        pieces = [line[0] for line in lines] + [rest[at].pop(0) for at in order]
    found = calls_of(pieces)
    assert [(name, json.loads(text)) for _, name, text in found] == [
        (name, json.loads(text)) for name, text in calls
    ]
    assert len({call_id for call_id, _, _ in found}) == len(calls)
    if host.ids in ("all", "head"):
        assert [call_id for call_id, _, _ in found] == [f"id_{at}" for at in range(len(calls))]


@given(st.recursive(st.text() | st.integers(), st.lists), st.lists(st.integers(0, 80), max_size=6))
def test_arguments_are_whole_when_their_last_bracket_came(value: Any, cuts: list[int]) -> None:
    text = json.dumps({"a": value}, ensure_ascii=False)
    arguments = PartialArguments()
    places = [0, *sorted(cut % len(text) for cut in cuts), len(text)]
    for start, end in itertools.pairwise(places):
        assert not arguments.is_whole
        arguments.add(text[start:end])
    assert arguments.is_whole
    assert arguments.equals(text)


def test_long_arguments_are_not_kept_but_known_to_be_whole() -> None:
    arguments = PartialArguments()
    arguments.add('{"a": "')
    for _ in range(300):
        arguments.add("\\\\x{" * 256)
    arguments.add('"')
    before = arguments.is_whole
    arguments.add("}")
    assert (before, arguments.is_whole, arguments.is_kept) == (False, True, False)
    assert arguments.part(0, 5) == ""
    text = json.dumps({"a": "x" * 300_000})
    pieces = [piece(0, "a", "exec", text), piece(1, "a", "exec", text)]
    assert calls_of(pieces) == [("a", "exec", text)]
