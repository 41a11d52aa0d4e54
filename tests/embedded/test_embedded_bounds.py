from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from puna.embedded.bounds import (
    _NO_EMOJI,
    MAX_FREE_PROPERTIES,
    MAX_ITEMS,
    MAX_NODES,
    MAX_STRING,
    bound_schema,
    free_value,
)
from puna.errors import BadRequestError


def bound(schema: Any) -> dict[str, Any]:
    return bound_schema(schema, param="response_format")


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {"type": "string"},
            {"type": "string", "maxLength": MAX_STRING, "pattern": _NO_EMOJI},
        ),
        (
            {"type": "string", "maxLength": 500, "format": "uri"},
            {"type": "string", "maxLength": 500, "format": "uri"},
        ),
        (
            {"type": "string", "maxLength": 9999, "pattern": "^a*$"},
            {"type": "string", "maxLength": 2000, "pattern": "^a*$"},
        ),
        (
            {"type": "string", "minLength": 90, "format": "uri"},
            {"type": "string", "minLength": 90, "maxLength": 90, "format": "uri"},
        ),
        ({"type": "string", "pattern": "^a{3}$"}, {"type": "string", "pattern": "^a{3}$"}),
        ({"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["a"]}),
        ({"const": 4, "title": "x"}, {"const": 4}),
        ({"type": "boolean"}, {"type": "boolean"}),
        ({"type": "integer", "minimum": 0, "maximum": 5}, None),
        ({"type": "number", "minimum": 0.1, "maximum": 0.1001}, None),
        ({"type": "array", "items": {"type": "null"}, "maxItems": 3}, None),
        ({"not": {"type": "null"}}, free_value()),
        (True, free_value()),
        ({}, free_value()),
    ],
)
def test_each_kind_gets_its_limit(schema: Any, expected: dict[str, Any] | None) -> None:
    assert bound(schema) == (schema if expected is None else expected)


@pytest.mark.parametrize(
    "key",
    [
        *("$anchor", "$comment", "$defs", "$id", "$schema", "contains", "default", "definitions"),
        *("dependentRequired", "dependentSchemas", "deprecated", "description", "else", "example"),
        *("examples", "if", "maxContains", "minContains", "not", "nullable", "propertyNames"),
        *("readOnly", "strict", "then", "title", "unevaluatedItems", "unevaluatedProperties"),
        *("uniqueItems", "writeOnly"),
    ],
)
def test_what_a_grammar_cannot_hold_or_does_not_need_is_left_out(key: str) -> None:
    value: Any = {"a": {"type": "null"}} if key in {"$defs", "definitions"} else {}
    assert bound({"type": "boolean", key: value}) == {"type": "boolean"}


def test_an_endless_pattern_gets_a_length_and_look_around_is_left_to_the_check() -> None:
    assert bound({"type": "string", "pattern": "^[a-z]+$"})["maxLength"] == MAX_STRING
    assert bound({"type": "string", "pattern": "^(?!a)"})["pattern"] == _NO_EMOJI


def test_numbers_get_a_range_and_a_step() -> None:
    made = bound({"type": ["number", "null"], "minimum": 10**15})
    assert made["maximum"] > 10**15
    assert made["multipleOf"] == 0.0001
    assert bound({"type": "integer", "maximum": -(10**13)})["minimum"] < -(10**13)


def test_a_free_object_gets_few_short_names() -> None:
    made = bound({"type": "object"})
    assert made["maxProperties"] == MAX_FREE_PROPERTIES
    assert made["additionalProperties"] is False
    (key,) = made["patternProperties"]
    assert re.search(key, "year 2010")
    assert not re.search(key, "x" * 25)


def test_a_map_keeps_its_values_and_its_key_pattern() -> None:
    made = bound(
        {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "propertyNames": {"pattern": "^k[0-9]$"},
            "minProperties": 9,
        }
    )
    assert made["patternProperties"] == {"^k[0-9]$": bound({"type": "string"})}
    assert made["maxProperties"] == 9


def test_named_properties_close_the_object() -> None:
    made = bound({"properties": {"a": {"type": "null"}}, "required": ["a", "b"]})
    assert made["type"] == "object"
    assert made["additionalProperties"] is False
    assert made["properties"]["b"] == free_value()


def test_required_names_without_properties_are_made() -> None:
    made = bound({"type": "object", "required": ["x"], "additionalProperties": {"type": "null"}})
    assert made["properties"] == {"x": {"type": "null"}}


def test_an_object_that_allows_nothing_stays_empty() -> None:
    assert bound({"type": "object", "additionalProperties": False}) == {
        "type": "object",
        "additionalProperties": False,
    }


def test_parts_of_all_of_stay_open() -> None:
    made = bound({"allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]})
    assert all("additionalProperties" not in part for part in made["allOf"])


def test_an_object_of_a_reference_alone_is_closed_and_one_with_more_is_not() -> None:
    node = {"type": "object", "properties": {"x": {"type": "boolean"}}}
    alone = {"$defs": {"node": node}, "$ref": "#/$defs/node"}
    assert bound(alone)["additionalProperties"] is False
    more = {**alone, "type": "object", "properties": {"y": {"type": "boolean"}}}
    assert "additionalProperties" not in bound(more)


def test_arrays_of_anything_and_tuples_are_bounded() -> None:
    assert bound({"type": "array"}) == {
        "type": "array",
        "items": free_value(),
        "maxItems": MAX_ITEMS,
    }
    assert bound({"items": [{"type": "null"}], "additionalItems": False})["prefixItems"] == [
        {"type": "null"}
    ]
    assert bound({"prefixItems": [{"type": "null"}], "items": False})["maxItems"] == 1


def test_one_of_becomes_any_of() -> None:
    assert "anyOf" in bound({"oneOf": [{"type": "null"}, {"type": "boolean"}]})


def test_a_recursive_schema_ends() -> None:
    node = {
        "type": "object",
        "properties": {
            "v": {"type": "boolean"},
            "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            "children": {"type": "array", "items": {"$ref": "#"}},
        },
        "required": ["v", "next"],
    }
    text = json.dumps(bound({"$ref": "#/$defs/node", "$defs": {"node": node}}))
    assert "$ref" not in text
    assert "$defs" not in text


def test_references_are_followed_wherever_they_point() -> None:
    schema = {
        "properties": {
            "a": {"$ref": "#/$defs/x~1y"},
            "b": {"$ref": "#/$defs/list/anyOf/1"},
        },
        "$defs": {"x/y": {"const": 1}, "list": {"anyOf": [{"const": 2}, {"const": 3}]}},
    }
    assert bound(schema)["properties"] == {"a": {"const": 1}, "b": {"const": 3}}


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (False, "Nothing finite fits"),
        ({"type": "object", "properties": {"a": False}, "required": ["a"]}, "Nothing finite"),
        ({"allOf": [{"type": "null"}, False]}, "Nothing finite"),
        ({"anyOf": [False]}, "Nothing finite"),
        ({"type": "array", "items": False, "minItems": 1}, "Nothing finite"),
        ({"type": "array", "items": {"$ref": "#"}, "minItems": 1}, "Nothing finite"),
        (
            {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
            "Nothing finite",
        ),
        ({"$ref": "#"}, "Nothing finite"),
        ({"$ref": "https://example.org/x"}, "points out of the document"),
        ({"$ref": "#anchor"}, "points out of the document"),
        ({"$ref": "#/$defs/nope"}, "points to nothing"),
        ({"type": "string", "minLength": 3, "maxLength": 1}, "`minLength` above `maxLength`"),
        ({"type": "array", "minItems": 3, "maxItems": 1}, "`minItems` above `maxItems`"),
        (
            {"type": "object", "minProperties": 3, "maxProperties": 1},
            "`minProperties` above `maxProperties`",
        ),
        ({"type": "integer", "minimum": 3, "maximum": 1}, "`minimum` above `maximum`"),
        ({"enum": []}, "empty `enum`"),
        ({"properties": {"a": 3}}, "is no schema"),
    ],
)
def test_what_nothing_can_follow_is_refused(schema: Any, problem: str) -> None:
    with pytest.raises(BadRequestError, match=problem) as caught:
        bound(schema)
    assert caught.value.param == "response_format"


def test_too_deep_and_too_large_schemas_are_refused() -> None:
    deep: Any = {"type": "null"}
    for _ in range(500):
        deep = {"type": "array", "items": deep}
    with pytest.raises(BadRequestError, match="too deep or too large"):
        bound(deep)
    with pytest.raises(BadRequestError, match="too deep or too large"):
        bound({"properties": {f"p{i}": {} for i in range(MAX_NODES)}})


def test_optional_impossible_properties_are_left_out() -> None:
    made = bound({"properties": {"a": False, "b": {"type": "null"}}})
    assert list(made["properties"]) == ["b"]
    assert bound({"type": "array", "items": False})["maxItems"] == 0
    assert (
        bound({"type": "object", "additionalProperties": {"$ref": "#"}})["additionalProperties"]
        is False
    )


# ---- the property: whatever fits the bounded schema fits the caller's, and is small


_LEAVES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(
        lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more},
        st.integers(0, 5),
        st.integers(0, 5),
    ),
    st.builds(
        lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more},
        st.integers(-5, 5),
        st.integers(0, 5),
    ),
    st.sampled_from(
        [
            {"type": "string"},
            {"type": "number"},
            {"type": "integer", "exclusiveMinimum": 3},
            {"type": "number", "maximum": -5},
            {"type": ["string", "null"]},
            {"enum": ["a", 1, None]},
            {"const": {"k": []}},
            {"type": "object"},
            {"type": "array"},
            {},
        ]
    ),
)


def _nest(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from(["a", "b", "c"])
    return st.one_of(
        st.builds(
            lambda properties, required: {
                "type": "object",
                "properties": properties,
                "required": required,
            },
            st.dictionaries(names, inner, max_size=3),
            st.lists(names, max_size=2, unique=True),
        ),
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.builds(lambda value: {"type": "object", "additionalProperties": value}, inner),
        st.builds(lambda ways: {"anyOf": ways}, st.lists(inner, min_size=1, max_size=3)),
    )


_SCHEMAS = st.recursive(_LEAVES, _nest, max_leaves=8)


def _sample(schema: dict[str, Any], dice: random.Random) -> Any:  # noqa: PLR0911 - one per kind
    """Any value that fits a bounded schema, preferring large ones."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return dice.choice(schema["enum"])
    if "anyOf" in schema:
        return _sample(dice.choice(schema["anyOf"]), dice)
    kinds = schema["type"]
    kind = dice.choice(kinds) if isinstance(kinds, list) else kinds
    if kind == "string":
        return "x" * dice.choice([schema.get("minLength", 0), schema["maxLength"]])
    if kind in ("integer", "number"):
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        high = schema.get("maximum", schema.get("exclusiveMaximum", 0) - 1)
        return dice.choice([low, high])
    if kind == "array":
        return [_sample(schema["items"], dice) for _ in range(schema["maxItems"])]
    if kind == "object":
        value = {
            name: _sample(child, dice)
            for name, child in schema.get("properties", {}).items()
            if name in schema.get("required", ()) or dice.random() < 0.5
        }
        for child in schema.get("patternProperties", {}).values():
            for i in range(schema["maxProperties"]):
                value[f"k{i}"] = _sample(child, dice)
        assert schema["additionalProperties"] is False
        return value
    return {"boolean": True, "null": None}[kind]


@given(_SCHEMAS, st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_what_fits_the_bounded_schema_fits_the_callers(schema: dict[str, Any], seed: int) -> None:
    before = json.dumps(schema)
    made = bound(schema)
    assert json.dumps(schema) == before
    Draft202012Validator.check_schema(made)
    value = _sample(made, random.Random(seed))  # noqa: S311 - draws test values
    Draft202012Validator(made).validate(value)
    Draft202012Validator(schema).validate(value)


def test_a_tuple_keeps_its_own_limit_on_items() -> None:
    made = bound({"type": "array", "items": {"type": "null"}, "maxItems": 99})
    assert made["maxItems"] == 99
    assert bound({"allOf": [{"type": "null"}, {"type": "object", "additionalProperties": False}]})
