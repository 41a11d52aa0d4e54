"""A raw value that is called parseable can be parsed, and no more are refused than must be."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from puna.wire.raw_values import are_objects, is_parseable
from puna.wire.surrogates import parse_json

# Of three digits in an exponent nobody asks which: such a number is refused.
NUMBERS = st.integers(-(10**20), 10**20) | st.floats(-1e90, 1e90)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.sampled_from('a"\\[]{}:,')),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=4), st.integers(0, 176))
def test_a_value_of_any_shape_is_parseable_unless_it_is_too_deep(
    value: dict[str, Any], more: int
) -> None:
    data = b'{"a":[' * (more // 2) + json.dumps(value).encode() + b"]}" * (more // 2)
    if is_parseable(Raw(data), b"{"):
        assert parse_json(data, allow_inf_nan=False) == json.loads(data)
    else:
        assert more > 150


@pytest.mark.parametrize("count", [200, 20_000])
def test_a_wide_value_is_parseable(count: int) -> None:
    data = b"[" + b",".join([b'{"a":[]}'] * count) + b"]"
    assert is_parseable(Raw(data), b"[")
    assert not is_parseable(Raw(data), b"{")


@pytest.mark.parametrize("depth", [179, 180, 5_000])
def test_a_deep_value_is_parseable_below_180_lists_and_objects(depth: int) -> None:
    data = b"[" * depth + b'"]]]]"' + b"]" * depth
    assert is_parseable(Raw(data), b"[") == (depth < 180)


@pytest.mark.parametrize("number", ["1e999", "-1E+400", "9" * 400, "1" + "0" * 310 + ".5"])
def test_a_number_too_large_for_a_float_is_not(number: str) -> None:
    assert not math.isfinite(float(number))
    assert not is_parseable(Raw(f'{{"a":{number}}}'.encode()), b"{")


@given(
    st.lists(
        st.sampled_from(
            [
                b"{}",
                b'{"a":\n1}',
                b"[]",
                b'"{"',
                b'{"a":1e999}',
                b'{"a":"7e1234"}',
                b'{"a":' * 180 + b"1" + b"}" * 180,
                b'{"a":[' + b",".join([b"{}"] * 200) + b"]}",
                b'{"a":' + b"9" * 400 + b"}",
                b'{"a":' + b"9" * 200 + b"}",
            ]
        ),
        max_size=5,
    )
)
def test_many_values_are_asked_like_each(values: list[bytes]) -> None:
    raw = [Raw(value) for value in values]
    assert are_objects(raw) == all(is_parseable(value, b"{") for value in raw)
