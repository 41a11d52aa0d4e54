"""The order of an answer's blocks is kept beside a chat message, and comes back from there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.bridges.block_order import (
    THINKING,
    TOOL_USE,
    Entry,
    is_usual_order,
    put_in_order,
    read_order,
    split_text,
)

ENTRIES = st.lists(st.sampled_from([THINKING, TOOL_USE]) | st.integers(1, 5), max_size=8)


@given(ENTRIES)
def test_blocks_come_back_in_the_order_in_which_they_were(order: list[Entry]) -> None:
    blocks = [(entry, i) for i, entry in enumerate(order)]
    thoughts = [block for block in blocks if block[0] == THINKING]
    calls = [block for block in blocks if block[0] == TOOL_USE]
    texts = [block for block in blocks if isinstance(block[0], int)]
    assert put_in_order(order, thoughts, texts, calls) == blocks


@given(ENTRIES, st.text("ab", max_size=20))
def test_no_character_is_lost_whatever_the_lengths_say(order: list[Entry], text: str) -> None:
    assert "".join(split_text(text, order)) == text


def test_a_text_is_cut_where_its_blocks_ended() -> None:
    assert split_text("abcde", [2, TOOL_USE, 3]) == ["ab", "cde"]
    assert split_text("abcde", [2]) == ["abcde"]
    assert split_text("", [2]) == []


def test_an_order_that_fits_no_blocks_is_the_usual_one() -> None:
    assert put_in_order([TOOL_USE, THINKING], ["t"], ["x"], ["c"]) == ["t", "x", "c"]


@pytest.mark.parametrize(
    ("order", "is_so"),
    [
        ([], True),
        ([THINKING, 5, TOOL_USE, TOOL_USE], True),
        ([5, THINKING], False),
        ([TOOL_USE, 5], False),
        ([5, 6], False),
    ],
)
def test_the_usual_order_is_thoughts_one_text_calls(order: list[Entry], *, is_so: bool) -> None:
    assert is_usual_order(order) is is_so
    assert is_usual_order([5, 6], most_texts=2)


@pytest.mark.parametrize(
    "order", [None, "thinking", [0], [-1], [True], ["text"], [THINKING, None], [1.5], [[]]]
)
def test_an_order_that_is_none_is_empty(order: Any) -> None:
    assert read_order(order) == []
    assert read_order([THINKING, 3, TOOL_USE]) == [THINKING, 3, TOOL_USE]
