"""Names of tools that chat can hold: short ones stay, long ones are told apart and stay alike."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from puna.bridges.tool_names import LONGEST, alias_of, joined_name


@given(st.text(max_size=200), st.text(max_size=200))
def test_an_alias_fits_and_two_names_have_two(first: str, second: str) -> None:
    assert len(alias_of(first)) <= LONGEST
    if first != second:
        assert alias_of("x" * 60 + first) != alias_of("x" * 60 + second)


def test_a_name_that_fits_is_its_own_alias() -> None:
    assert alias_of("a" * 64) == "a" * 64
    assert alias_of("a" * 65).startswith("a" * 55 + "_")


def test_the_tool_of_a_namespace_is_told_by_both_names() -> None:
    assert joined_name("crm", "find") == "crm__find"
    assert joined_name("mcp__crm__", "find") == "mcp__crm__find"
    assert len(joined_name("n" * 60, "find")) == LONGEST
