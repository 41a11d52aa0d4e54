from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from puna.bridges.call_arguments import are_call_arguments, parse_call_arguments


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


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
WRITTEN = st.builds(json.dumps, VALUES, indent=st.sampled_from([None, 1]))
PIECES = st.text(st.sampled_from('{}[],:"1e9\\\n\r\t a\ud800'), max_size=8)


@given(st.lists(WRITTEN | PIECES | st.just("{}"), max_size=40))
@example(["", "{}{}"])
@example(["", "{} {}"])
@example(["{}", "{}{}", ""])
@example(['{"a": [1', ",2]}\n{}"])
@example(['{"a": [1', "2]},{}"])
@example(['{"a": 1e999}'])
@example(["{}"] * 200)
@example(['{"a":' * 190 + "1" + "}" * 190])
@example(['{"a": "' + "x" * 9_000 + '"}', "[1]"])
def test_texts_parsed_together_are_judged_as_one_by_one(texts: list[str]) -> None:
    alone = [bool(one.strip()) and parse_call_arguments(one) is not None for one in texts]
    assert are_call_arguments(texts) == all(alone)
