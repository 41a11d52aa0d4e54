from __future__ import annotations

from typing import Any

import pytest

from puna.types.counts import MOST_TOKENS, read_count, read_counts


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (3, 3),
        (3.0, 3),
        (0, 0),
        (MOST_TOKENS, MOST_TOKENS),
        (MOST_TOKENS + 1, None),
        (-1, None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        ("3", None),
        (None, None),
    ],
)
def test_a_count_is_a_whole_number_that_can_be_believed(given: object, read: int | None) -> None:
    assert read_count(given) == read


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"a": 1, "b": 2}, [1, 2]),
        ({"a": 1, "b": None}, [1, None]),
        ({"a": 1, "b": "many"}, [1, None]),
        ({"a": 1, "b": -1}, [None, None]),
        ({"a": 1, "b": 10**30}, [None, None]),
        ({}, [None, None]),
    ],
)
def test_where_one_count_is_beyond_belief_no_other_is_believed(
    given: dict[str, Any], read: list[int | None]
) -> None:
    assert read_counts(given, ("a", "b")) == read
