"""Bodies of a cassette as JSON that people read, where JSON says them exactly."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.transports.cassette_text import comparable_text, parse_exact_json, render

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(VALUES)
def test_what_is_written_means_the_same(value: Any) -> None:
    assert json.loads(render(value, "\n  ")) == value


@given(VALUES)
def test_a_body_is_read_where_it_is_an_object_or_a_list(value: Any) -> None:
    expected = value if isinstance(value, dict | list) else None
    assert parse_exact_json(json.dumps(value).encode()) == expected


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": "\xff"}',
        b"{",
        b"",
        b"[" * 250 + b"]" * 250,
        b"[" * 100_000,
    ],
)
def test_what_json_would_change_is_kept_as_text(body: bytes) -> None:
    assert parse_exact_json(body) is None


def test_plain_objects_in_a_list_have_one_line_each() -> None:
    text = render({"messages": [{"role": "user", "content": "hi"}, {"role": "tool"}]}, "\n")
    assert [line.strip() for line in text.splitlines()][2:4] == [
        '{"role": "user", "content": "hi"},',
        '{"role": "tool"}',
    ]


def test_values_that_differ_in_the_order_of_keys_compare_alike() -> None:
    assert comparable_text({"a": 1, "b": [2]}) == comparable_text({"b": [2], "a": 1})
    assert comparable_text({"a": 1}) != comparable_text({"a": "1"})
