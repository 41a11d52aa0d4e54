"""Checks against schemas end: what a small schema and a long answer may cost is counted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tests.support.hostile import LINEAR, growth, steps

from puna.embedded.check_steps import MOST_FAULTS, with_short_repr
from puna.embedded.checks import check_schema, first_fault
from puna.errors import BadRequestError

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, "", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=8,
)


def fault(value: Any, schema: dict[str, Any]) -> str | None:
    found = first_fault(value, schema, param="response_format")
    return found.rule if found is not None else None


@given(st.lists(VALUES, max_size=6))
def test_unique_items_are_what_jsonschema_calls_unique(items: list[Any]) -> None:
    schema = {"uniqueItems": True}
    assert (fault(items, schema) is None) == Draft202012Validator(schema).is_valid(items)


@given(VALUES)
def test_a_value_that_is_shown_briefly_is_equal_and_shown_as_before(value: Any) -> None:
    assert with_short_repr(value) == value
    assert len(repr(with_short_repr(value))) <= len(repr(value)) + 1


def test_a_long_value_is_not_repeated_in_a_fault() -> None:
    found = first_fault({"a": ["b" * 10**6] * 1000}, {"type": "string"}, param="x")
    assert found is not None
    assert len(found.message) < 10_000


@pytest.mark.parametrize(
    ("schema", "rule"),
    [
        ({"uniqueItems": True}, None),
        ({"items": {"type": "object"}, "anyOf": [{"type": "string"}] * 100}, "anyOf"),
        ({"items": {"anyOf": [{"type": "integer"}] * 10}}, "anyOf"),
        ({"items": {"enum": list(range(100))}}, "enum"),
        ({"items": {"required": [f"b{number}" for number in range(100)]}}, "required"),
        ({"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"type": "object"}}}, None),
        ({"not": {"contains": {"type": "string"}}}, None),
    ],
)
def test_the_steps_of_a_check_grow_as_the_answer(schema: dict[str, Any], rule: str | None) -> None:
    def act(size: int) -> None:
        assert fault([{"a": number} for number in range(size)], schema) == rule

    assert growth(act, 300) < LINEAR


def test_objects_that_must_be_unique_are_compared_by_what_they_are_and_not_pair_by_pair() -> None:
    assert fault([{"a": {"b": number}} for number in range(20_000)], {"uniqueItems": True}) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"items": {"anyOf": [*[{"type": "integer"}] * 999, {"type": "boolean"}]}},
        {"items": {"enum": list(range(1_000))}},
        {"items": {"patternProperties": {f"a{number}": {} for number in range(90)}}},
    ],
)
def test_a_check_that_needs_too_many_steps_is_given_up(schema: dict[str, Any]) -> None:
    # Each item fits, so that no fault ends the check early.
    value = 999 if "patternProperties" not in schema["items"] else {str(n): 1 for n in range(20)}
    value = True if "anyOf" in schema["items"] else value
    calls = 0

    def act() -> None:
        with pytest.raises(BadRequestError, match="it takes over 250,000 steps"):
            first_fault([value] * 5_000, schema, param="response_format")

    calls = steps(act)
    assert calls < 80 * 250_000


def test_only_the_first_faults_are_looked_for() -> None:
    few = steps(lambda: fault(["a"] * MOST_FAULTS, {"items": {"type": "integer"}}))
    many = steps(lambda: fault(["a"] * 50 * MOST_FAULTS, {"items": {"type": "integer"}}))
    assert many < 3 * few + 30_000


@pytest.mark.parametrize("draft", [7, 2020])
@pytest.mark.parametrize("keyword", ["enum", "required", "allOf"])
def test_a_schema_of_many_objects_is_checked_in_counted_steps(draft: int, keyword: str) -> None:
    uri = {
        7: "http://json-schema.org/draft-07/schema#",
        2020: "https://json-schema.org/draft/2020-12/schema",
    }[draft]
    schema = {"$schema": uri, keyword: [{"title": str(number)} for number in range(3_000)]}
    if keyword == "required":
        with pytest.raises(BadRequestError, match="breaks the rule `type`"):
            check_schema(schema, param="x")
    elif keyword == "allOf" and draft == 2020:
        with pytest.raises(BadRequestError, match="too large \\(it takes over 250,000 steps\\)"):
            check_schema({**schema, "allOf": [*schema["allOf"]] * 6}, param="x")
    else:
        check_schema(schema, param="x")


def test_a_schema_holds_at_most_a_hundred_patterns() -> None:
    check_schema({"anyOf": [{"pattern": "a"}] * 300}, param="x")
    with pytest.raises(BadRequestError, match="more than 100 patterns"):
        check_schema({"anyOf": [{"pattern": f"a{number}"} for number in range(101)]}, param="x")
