"""No pattern of a client's schema holds a worker; those that are taken mean what they mean."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from puna.embedded.checks import check_schema, check_value, first_fault
from puna.errors import APIError, BadRequestError

SLOW = "^(a+)+$"
BAIT = "a" * 40 + "!"
DRAFTS = ["https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#"]


def faults(value: Any, schema: dict[str, Any]) -> str | None:
    check_schema(schema, param="response_format")
    fault = first_fault(value, schema, param="response_format")
    return fault.rule if fault is not None else None


@pytest.mark.case(63)
@pytest.mark.parametrize(
    ("schema", "value", "rule"),
    [
        ({"pattern": SLOW}, BAIT, "pattern"),
        ({"type": "object", "propertyNames": {"pattern": SLOW}}, {BAIT: 1}, "pattern"),
        ({"type": "object", "patternProperties": {SLOW: False}}, {BAIT: 1}, None),
        (
            {"patternProperties": {SLOW: {}}, "additionalProperties": False},
            {BAIT: 1},
            "additionalProperties",
        ),
        ({"$defs": {"a": {"pattern": SLOW}}, "items": {"$ref": "#/$defs/a"}}, [BAIT], "pattern"),
        ({"pattern": SLOW, "items": {"$ref": "#"}}, [BAIT], "pattern"),
        ({"anyOf": [{"type": "integer"}, {"not": {"pattern": SLOW}}]}, BAIT, None),
    ],
)
@pytest.mark.parametrize("draft", [None, *DRAFTS])
def test_a_pattern_that_would_take_for_ever_is_matched_at_once(
    schema: dict[str, Any], value: Any, rule: str | None, draft: str | None
) -> None:
    began_at = time.process_time()
    assert faults(value, {**schema, "$schema": draft} if draft else schema) == rule
    assert time.process_time() - began_at < 1  # Python's own engine needs hours


@pytest.mark.case(63)
@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"pattern": "(?=a)"}, "look-around"),
        ({"properties": {"a": {"pattern": r"(a)\1"}}}, "look-around"),
        ({"patternProperties": {"(?<!a)b": {}}}, "look-around"),
        ({"pattern": "[" * 3}, "cannot be checked"),
        ({"pattern": "((a{100}){100}){100}"}, "cannot be checked"),
        ({"pattern": "a" * 1_001}, "at most 1000"),
        ({"patternProperties": {"a": {}}, "unevaluatedProperties": False}, "additionalProperties"),
        ({"items": {"$schema": DRAFTS[0], "pattern": SLOW}}, "only at its root"),
    ],
)
def test_what_cannot_be_checked_in_time_is_refused_before_it_is_sent(
    schema: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadRequestError, match=said) as raised:
        check_schema(schema, param="tools[0].function.parameters")
    assert raised.value.param == "tools[0].function.parameters"


def test_what_is_called_pattern_and_is_none_is_left() -> None:
    schema = {"properties": {"pattern": {"enum": [{"pattern": "("}]}}, "default": {"pattern": "("}}
    assert faults({"pattern": {"pattern": "("}}, schema) is None
    assert faults({"pattern": 1}, schema) == "enum"
    assert faults({"a": 1}, {"dependencies": {"a": ["b"]}, "$schema": DRAFTS[1]}) == "dependencies"


def test_a_pattern_that_was_not_checked_before_is_an_error_all_the_same() -> None:
    with pytest.raises(BadRequestError, match="no answer can be checked"):
        first_fault("x", {"pattern": "(?=a)"}, param="response_format")
    with pytest.raises(APIError):
        check_value("x", {"pattern": "(?=a)"}, what="answer")


NAMES = st.sampled_from(["a", "ab", "b", "bc", "x1"])
INNER = st.sampled_from([True, False, {"type": "integer"}, {"type": "string", "pattern": "^a"}])
OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "properties": st.dictionaries(NAMES, INNER, max_size=2),
        "patternProperties": st.dictionaries(
            st.sampled_from(["^a", "b$", r"\d"]), INNER, max_size=2
        ),
        "additionalProperties": INNER,
    },
)


@given(schema=OBJECTS, value=st.dictionaries(NAMES, st.sampled_from([1, "a", "xa"]), max_size=3))
def test_the_keywords_mean_what_jsonschema_makes_of_them(
    schema: dict[str, Any], value: dict[str, Any]
) -> None:
    assert (faults(value, schema) is None) == Draft202012Validator(schema).is_valid(value)


@given(st.text(st.sampled_from("ab1.-@"), max_size=8))
def test_usual_patterns_mean_the_same_as_to_python(text: str) -> None:
    for pattern in (r"^[\w.-]+@[\w-]+$", r"\d{1,2}", "^a|b$", r"^(?:ab)*$", "(?i)AB"):
        is_match = re.search(pattern, text) is not None
        assert (faults(text, {"pattern": pattern}) is None) == is_match


@pytest.mark.parametrize("draft", [None, *DRAFTS])
@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
def test_references_that_double_at_each_step_are_followed_so_far_and_no_further(
    keyword: str, draft: str | None
) -> None:
    steps: dict[str, Any] = {"a0": {"type": "string"}}
    for step in range(1, 20):
        steps[f"a{step}"] = {keyword: [{"$ref": f"#/$defs/a{step - 1}"}] * 2}
    schema = {"$defs": steps, "properties": {"a": {"$ref": "#/$defs/a19"}}}
    value = "a" if keyword == "allOf" else 1  # one that no branch settles at once
    with pytest.raises(BadRequestError, match="it takes over 250,000 steps"):
        faults({"a": value}, {**schema, "$schema": draft} if draft else schema)


def test_many_references_that_do_not_double_are_followed() -> None:
    schema = {"$defs": {"a": {"type": "integer"}}, "items": {"$ref": "#/$defs/a"}}
    assert faults([1] * 20_000, schema) is None
    assert faults([*[1] * 20_000, "1"], schema) == "type"
