"""Fields that every response has: the host's, else the request's, else the default, else null."""

from __future__ import annotations

from typing import Any

import pytest

from puna.bridges.responses.required import fill_required

FUNCTION = {"type": "function", "name": "f"}


def filled(response: dict[str, Any], **said: Any) -> dict[str, Any]:
    fill_required(response, said)
    return response


@pytest.mark.parametrize(
    ("response", "said", "value"),
    [
        ({"temperature": 0.2}, {"temperature": 0.5}, 0.2),
        ({"temperature": None}, {"temperature": 0.5}, 0.5),
        ({}, {"temperature": 0.5}, 0.5),
        ({}, {}, 1.0),
    ],
)
def test_what_the_host_says_comes_first(
    response: dict[str, Any], said: dict[str, Any], value: float
) -> None:
    assert filled(response, **said)["temperature"] == value


def test_fields_that_may_be_null_are_there() -> None:
    made = filled({}, instructions="Be brief.", usage={"x": 1})
    assert made["instructions"] == "Be brief."
    assert made["max_output_tokens"] is None
    assert made["usage"] is None  # no request says it


def test_parts_of_fields_are_filled_too() -> None:
    made = filled({"tools": [FUNCTION, {"type": "web_search"}]}, reasoning={"effort": "low"})
    assert made["reasoning"] == {"effort": "low", "summary": None}
    assert made["tools"][0] == {**FUNCTION, "description": None, "parameters": None, "strict": None}
    assert made["tools"][1] == {"type": "web_search"}
    assert filled({}, text={"verbosity": "low"})["text"] == {
        "format": {"type": "text"},
        "verbosity": "low",
    }
