"""Inputs that are texts or token ids: what is one, and how a wrong one is told by its place."""

from __future__ import annotations

from typing import Any

import pytest

from puna.errors import BadRequestError
from puna.types.token_ids import TextInput, each_text, is_count, read_token_ids


@pytest.mark.parametrize(
    ("given", "each"),
    [
        ("a", ("a",)),
        (("a", "b"), ("a", "b")),
        ((1, 2), ((1, 2),)),
        (((1, 2), (3,)), ((1, 2), (3,))),
    ],
)
def test_an_input_is_one_text_or_several(given: TextInput, each: tuple[Any, ...]) -> None:
    assert each_text(given) == each


@pytest.mark.parametrize("value", [-1, True, 1.0, "1", None, 2**31])
def test_what_is_no_count(value: Any) -> None:
    assert not is_count(value)
    assert is_count(0)
    assert is_count(2**31 - 1)


def test_token_ids_are_frozen() -> None:
    assert read_token_ids([0, 128_000], "input") == (0, 128_000)


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ("text", "input[1]"),
        ([], "input[1]"),
        ([5, True], "input[1][1]"),
        ([5, "x"], "input[1][1]"),
        ([-1], "input[1][0]"),
    ],
)
def test_what_is_no_list_of_token_ids_is_told_by_its_place(given: Any, param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read_token_ids(given, "input[1]")
    assert caught.value.param == param
