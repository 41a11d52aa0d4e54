"""Values in errors: short, and never as Python writes them."""

from __future__ import annotations

from typing import Any

import pytest

from puna.types.display import display


@pytest.mark.case(155)
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (0.5, "0.5"),
        (float("nan"), "nan"),
        pytest.param(10**5000, "a huge number", id="huge"),
        (-(10**80), "a huge number"),
        ("5", '"5"'),
        ("-1.5e3", '"-1.5e3"'),
        (" true ", '" true "'),
        ("null", '"null"'),
        ("7" * 81, "7" * 80 + "…"),
        ("5 apples", "5 apples"),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 80 + "…"),
        ("a\r\nb\0\ud83d é", "a��b�� é"),
        ({"a": 1}, "an object"),
        ([1], "a list"),
        ((1,), "a list"),
        (object(), "object"),
        (b"x", "bytes"),
    ],
)
def test_values_are_shown_short_and_never_as_python_source(value: Any, text: str) -> None:
    assert display(value) == text
