"""Free-form tools over chat: a function with one text, and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.bridges.responses.custom_tools import custom_arguments, custom_function, custom_input


@given(st.text())
def test_an_input_comes_back_as_it_was(text: str) -> None:
    assert custom_input(custom_arguments(text)) == text
    assert json.loads(custom_arguments(text)) == {"input": text}


@pytest.mark.parametrize(
    "arguments", ["", "*** Begin Patch", "[1]", '{"input": 5}', '{"a": "b"}', "[" * 100_000]
)
def test_arguments_of_another_form_are_the_input_themselves(arguments: str) -> None:
    assert custom_input(arguments) == arguments


def test_a_grammar_stands_in_the_description() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: begin"}
    function = custom_function({"name": "patch", "description": "Edits.", "format": grammar})
    assert function["description"].startswith("Edits.\n\n")
    assert "lark grammar:\nstart: begin" in function["description"]
    assert function["parameters"]["required"] == ["input"]
    assert "description" not in custom_function({"name": "patch"})
