"""Free-form tools over chat: a function with one text, and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.bridges.responses.custom_tools import arguments_of, function_of, input_of


@given(st.text())
def test_an_input_comes_back_as_it_was(text: str) -> None:
    assert input_of(arguments_of(text)) == text
    assert json.loads(arguments_of(text)) == {"input": text}


@pytest.mark.parametrize(
    "arguments", ["", "*** Begin Patch", "[1]", '{"input": 5}', '{"a": "b"}', "[" * 100_000]
)
def test_arguments_of_another_form_are_the_input_themselves(arguments: str) -> None:
    assert input_of(arguments) == arguments


def test_a_grammar_stands_in_the_description() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: begin"}
    function = function_of({"name": "patch", "description": "Edits.", "format": grammar})
    assert function["description"].startswith("Edits.\n\n")
    assert "lark grammar:\nstart: begin" in function["description"]
    assert function["parameters"]["required"] == ["input"]
    assert "description" not in function_of({"name": "patch"})
