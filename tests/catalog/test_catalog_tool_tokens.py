"""Tokens of tool definitions: as each prompt format writes them, whatever shape they stand in."""

from __future__ import annotations

from typing import Any

import pytest

from puna.catalog.tool_tokens import count_tools

SCHEMA = {
    "type": "object",
    "properties": {
        "unit": {"type": "string", "description": "The unit.", "enum": ["c", "f"]},
        "place": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
FUNCTION = {"name": "get_weather", "description": "The weather.", "parameters": SCHEMA}
OPENAI = {"type": "function", "function": FUNCTION}


def words(text: str) -> int:
    """A counter whose results are easily seen: one token a word."""
    return len(text.split())


def count(*tools: dict[str, Any], is_llama: bool = False) -> int:
    return count_tools(tools, words, is_llama=is_llama)


def test_the_three_shapes_of_a_tool_count_alike() -> None:
    of_anthropic = {
        "name": "get_weather",
        "description": "The weather.",
        "input_schema": SCHEMA,
    }
    assert count(OPENAI) == count({"type": "function", **FUNCTION}) == count(of_anthropic)


def test_each_part_of_a_definition_has_its_price() -> None:
    # 12 for the end; a function 7 and two words; properties 3; each property 3 and its words;
    # values -3 and 3 each, with a word; the nested ones again.
    unit = 3 + 2 - 3 + 2 * (3 + 1)
    place = 3 + 1 + 3 + (3 + 1)
    assert count(OPENAI) == 12 + 7 + 2 + 3 + unit + place


def test_llamas_format_grows_with_what_is_written() -> None:
    one, two = count(OPENAI, is_llama=True), count(OPENAI, OPENAI, is_llama=True)
    assert two - one == one - count(is_llama=True) > 20


@pytest.mark.parametrize("odd", [{}, {"function": None}, {"function": {"parameters": [1]}}])
def test_an_odd_tool_is_counted_and_raises_nothing(odd: dict[str, Any]) -> None:
    assert count(odd) > 0
    assert count(odd, is_llama=True) > 0


def test_a_schema_that_nests_without_end_is_counted_to_a_depth() -> None:
    schema: dict[str, Any] = {"type": "object"}
    schema["properties"] = {"again": schema}
    assert 0 < count({"name": "f", "parameters": schema}) < 1_000
