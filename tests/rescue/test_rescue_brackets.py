"""The end of a bracketed text, however its characters come."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.rescue.brackets import BracketScan, end_of_brackets

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.text('ab"\\{}[]', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("k{]", max_size=2), inner),
    max_leaves=6,
)


@given(
    value=st.lists(VALUES, max_size=3) | st.dictionaries(st.text("k}", max_size=2), VALUES),
    behind=st.text("]}x", max_size=3),
    cuts=st.lists(st.integers(0, 60), max_size=4),
)
def test_the_end_is_found_wherever_the_text_is_cut(
    value: Any, behind: str, cuts: list[int]
) -> None:
    written = json.dumps(value)
    text = f"so: {written}{behind}"
    scan = BracketScan(4)
    ends = [scan.advance(text[:cut]) for cut in sorted(cuts) if cut < 4 + len(written)]
    assert all(end is None for end in ends)
    assert scan.advance(text) == 4 + len(written)
    assert not scan.is_broken


@pytest.mark.parametrize("text", ["{]", "[}", '{"a": [}'])
def test_a_bracket_that_closes_another_kind_has_no_end(text: str) -> None:
    scan = BracketScan(0)
    scan.advance(text)
    assert scan.is_broken
    assert end_of_brackets(text, 0) is None


@pytest.mark.parametrize(
    ("text", "missing"), [('{"a": 1', "}"), ("[1", "]"), ("[[1]", "]"), ("[[1", ""), ('{"a', "")]
)
def test_only_the_outermost_bracket_may_be_missing(text: str, missing: str) -> None:
    scan = BracketScan(0)
    assert scan.advance(text) is None
    assert scan.missing == missing


def test_python_has_round_brackets_and_two_kinds_of_quotes() -> None:
    assert end_of_brackets("f(a=')', b=[\"]\"]) + 1", 1) == 17
    assert end_of_brackets("f(a=1", 1) is None


def test_a_scan_gives_up_after_so_many_characters() -> None:
    assert BracketScan(0, most=5).advance("[1, 2, 3]") is None
    assert BracketScan(0, most=9).advance("[1, 2, 3]") == 9
