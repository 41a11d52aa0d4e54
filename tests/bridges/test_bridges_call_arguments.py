from __future__ import annotations

from typing import Any

import pytest

from puna.bridges.call_arguments import parse_call_arguments


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ('{"a": [1, "é"]}', {"a": [1, "é"]}),
        ({"a": 1}, {"a": 1}),
        ("{}", {}),
        ("", {}),
        (" \n", {}),
        (None, {}),
    ],
)
def test_arguments_are_read_as_an_object(given: object, read: dict[str, Any]) -> None:
    assert parse_call_arguments(given) == read


@pytest.mark.parametrize(
    "given",
    ["{", "[1]", "null", '"a"', '{"a": NaN}', '{"a": -Infinity}', "[" * 2_000, "\ud800", 1, [1]],
)
def test_what_is_no_object_of_json_is_none(given: object) -> None:
    assert parse_call_arguments(given) is None
