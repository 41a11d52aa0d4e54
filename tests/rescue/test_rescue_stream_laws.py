"""What holds for every text: the way it is cut changes nothing, and no byte is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.rescue import SHAPES, Asked, cut, known, pieces_of

from puna.rescue.stream import Rescued, RescueStream, find_calls, join_pieces

NAMES = ("get_weather", "get_time", "f", "brave_search")
TOOLS = known(*NAMES)

places = st.lists(st.integers(min_value=0, max_value=500), max_size=12)
leaves = st.none() | st.booleans() | st.integers(-999, 999) | st.text(max_size=8)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
keys = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
arguments = st.dictionaries(keys, values, max_size=4)
calls = st.lists(st.tuples(st.sampled_from(NAMES), arguments), min_size=1, max_size=3)
fragments = st.sampled_from(
    [
        *(
            "{",
            "}",
            "[",
            "]",
            "(",
            ")",
            "`",
            "```",
            "```json\n",
            "\n",
            " ",
            ";",
            ",",
            "'",
            '"',
            "\\",
        ),
        *(
            "<",
            ">",
            "=",
            "<function=",
            "</function>",
            "<tool_call>",
            "</tool_call>",
            "<|python_tag|>",
        ),
        *("<|python_start|>", "<|python_end|>", "<|eot_id|>", '"name"', '"parameters"', '"type"'),
        *('"function"', ":", "f", "f(", "f()", "get_weather", "x=1", "words ", '{"name": "f", '),
        *('"parameters": {}}', '{"name": "f", "parameters": {}}', "[f(x=1)]", "<function=f>{}"),
    ]
)
texts = st.lists(fragments, max_size=14).map("".join) | st.text(max_size=40)


@settings(max_examples=120)
@given(text=texts, at=places)
@example(text='{"name": "f", "parameters": {}}\n\n[f()]x', at=[31])
@example(text="<|python_tag|>f()\nprint(1)", at=[17])
@example(text="\n \n[f(x=1)", at=[])
def test_any_cut_gives_the_same(text: str, at: list[int]) -> None:
    pieces = pieces_of(cut(text, at), TOOLS)
    assert "".join(piece.source for piece in pieces) == text
    assert join_pieces(pieces) == find_calls(text, TOOLS)
    single = pieces_of(list(text), TOOLS)
    assert join_pieces(single) == find_calls(text, TOOLS)


@settings(max_examples=120)
@given(text=texts)
def test_what_is_no_call_is_left_alone_to_the_byte(text: str) -> None:
    rescued = find_calls(text, TOOLS)
    if not rescued.calls:
        assert rescued == Rescued(text)
    for call in rescued.calls:
        assert call.name in NAMES
        assert isinstance(json.loads(call.arguments), dict)
    assert find_calls(text, known()) == Rescued(text)
    assert find_calls(text, known("other")) == Rescued(text)


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=20)
@given(asked=calls, at=places)
def test_calls_are_found_in_every_shape(shape: str, asked: list[Asked], at: list[int]) -> None:
    text = SHAPES[shape](asked)
    rescued = join_pieces(pieces_of(cut(text, at), TOOLS))
    made: list[tuple[str, Any]] = [(one.name, json.loads(one.arguments)) for one in rescued.calls]
    assert made == asked
    assert rescued.text == ""


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("before", ["Let me look.\n", "I must know more:\n\n", "“é”\n"])
def test_text_before_calls_stays(shape: str, before: str) -> None:
    asked: list[Asked] = [("get_weather", {"city": "Paris"}), ("get_time", {})]
    rescued = find_calls(before + SHAPES[shape](asked), TOOLS)
    assert rescued.text == before
    assert [call.name for call in rescued.calls] == ["get_weather", "get_time"]


@settings(max_examples=80)
@given(text=texts, at=places)
def test_what_was_not_given_out_can_be_taken_back(text: str, at: list[int]) -> None:
    stream = RescueStream(TOOLS)
    given_out = [piece.source for part in cut(text, at) for piece in stream.feed(part)]
    assert "".join(given_out) + stream.release() == text
    assert stream.feed("[f()]") == []
    assert stream.close() == []


@settings(max_examples=30)
@given(words=st.lists(st.from_regex(r"[A-EH-Z][a-z]{0,8}[ .,]", fullmatch=True), min_size=1))
def test_prose_flows_on_at_once(words: list[str]) -> None:
    stream = RescueStream(TOOLS)
    for word in words:
        assert "".join(piece.text for piece in stream.feed(word)) == word
    assert stream.close() == []
