"""Parameters of a deployment, given by their names in chat, for the Responses API."""

from __future__ import annotations

from typing import Any

import pytest

from puna.types.response_params import chat_only_params, flat_format, from_chat

SCHEMA = {"name": "s", "schema": {"type": "object"}, "strict": True}
NESTED = {"type": "json_schema", "json_schema": SCHEMA}
FLAT = {"type": "json_schema", **SCHEMA}


@pytest.mark.parametrize(
    ("chat", "own"),
    [
        ({"max_tokens": 9}, {"max_output_tokens": 9}),
        ({"max_completion_tokens": 9}, {"max_output_tokens": 9}),
        ({"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}),
        ({"verbosity": "low"}, {"text": {"verbosity": "low"}}),
        ({"response_format": NESTED}, {"text": {"format": FLAT}}),
        ({"temperature": 0.5, "max_tokens": None}, {"temperature": 0.5}),
        (
            {"text": {"verbosity": "low"}, "response_format": {"type": "json_object"}},
            {"text": {"verbosity": "low", "format": {"type": "json_object"}}},
        ),
    ],
)
def test_names_of_chat_become_those_of_this_api(chat: dict[str, Any], own: dict[str, Any]) -> None:
    assert from_chat(chat) == own


def test_what_is_given_stays_as_it_was() -> None:
    given = {"reasoning": {"summary": "auto"}, "reasoning_effort": "low"}
    assert from_chat(given) == {"reasoning": {"summary": "auto", "effort": "low"}}
    assert given == {"reasoning": {"summary": "auto"}, "reasoning_effort": "low"}


def test_only_what_this_api_has_under_no_name_is_only_of_chat() -> None:
    names = ("stop", "logit_bias", "max_tokens", "temperature", "top_k")
    assert chat_only_params(names) == {"stop", "logit_bias"}


def test_a_format_without_a_schema_stays() -> None:
    assert flat_format({"type": "json_object"}) == {"type": "json_object"}
    assert flat_format(NESTED) == FLAT
    assert flat_format("odd") == "odd"
