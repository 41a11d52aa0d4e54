from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puna.rescue.arguments import repair_arguments

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "i": {"type": "integer"},
        "n": {"type": "number"},
        "b": {"type": "boolean"},
        "s": {"type": "string"},
        "a": {"type": "array", "items": {"type": "string"}},
        "ints": {"type": "array", "items": {"type": "integer"}},
        "o": {"type": "object", "properties": {"i": {"type": "integer"}}},
        "maybe": {"type": ["integer", "null"]},
        "any": {},
        "odd": {"type": "money"},
    },
}


@pytest.mark.parametrize(
    ("name", "given_", "expected"),
    [
        ("i", "5", 5),
        ("n", "2.5", 2.5),
        ("b", "true", True),
        ("b", "False", False),
        ("s", 5, "5"),
        ("s", True, "true"),
        ("a", '["x", "y"]', ["x", "y"]),
        ("a", "x", ["x"]),
        ("ints", ["1", 2], [1, 2]),
        ("ints", '["1"]', [1]),
        ("o", '{"i": "3"}', {"i": 3}),
        ("o", {"i": "3"}, {"i": 3}),
        ("maybe", "7", 7),
    ],
)
def test_a_value_of_the_wrong_kind_is_repaired(name: str, given_: Any, expected: Any) -> None:
    made, changed = repair_arguments({name: given_}, SCHEMA)
    assert made == {name: expected}
    assert type(made[name]) is type(expected)
    assert changed
    assert changed[0].startswith(name)


@pytest.mark.parametrize(
    ("name", "given_"),
    [
        ("i", "five"),
        ("i", "2.5"),
        ("i", 2.0),
        ("n", "NaN"),
        ("n", "1e999"),
        ("n", True),
        ("b", "yes"),
        ("b", 1),
        ("s", None),
        ("s", {"x": 1}),
        ("a", 1),
        ("o", "no"),
        ("o", "[" * 10_000),
        ("maybe", None),
        ("any", "5"),
        ("odd", "5"),
        ("unknown", "5"),
    ],
)
def test_what_has_no_plain_way_stays_as_it_is(name: str, given_: Any) -> None:
    made, changed = repair_arguments({name: given_}, SCHEMA)
    assert made == {name: given_}
    assert changed == ()


def test_paths_tell_what_was_changed() -> None:
    given_ = {"o": {"i": "3"}, "ints": [1, "2"], "s": "x"}
    assert repair_arguments(given_, SCHEMA)[1] == ("o.i", "ints[1]")
    assert given_ == {"o": {"i": "3"}, "ints": [1, "2"], "s": "x"}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=5,
)


@settings(max_examples=40)
@given(arguments=st.dictionaries(st.sampled_from(list(SCHEMA["properties"])) | st.text(), values))
def test_repairing_twice_changes_nothing_more(arguments: dict[str, Any]) -> None:
    made, changed = repair_arguments(arguments, SCHEMA)
    assert repair_arguments(made, SCHEMA) == (made, ())
    assert made.keys() == arguments.keys()
    assert changed or json.dumps(made) == json.dumps(arguments)
