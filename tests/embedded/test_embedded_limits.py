"""What a caller could ask for and the model's process could not survive."""

from __future__ import annotations

from typing import Any

import pytest

from puna.embedded.bounds import bound_schema
from puna.embedded.checks import check_schema
from puna.embedded.constrain import constrain
from puna.embedded.weights import find_weights
from puna.errors import BadRequestError, NotFoundError


def body(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Hello"}], **fields}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "integer"}, "minItems": 10**9},
        {"type": "string", "minLength": 10**7},
        {"type": "object", "minProperties": 10**6},
        {"type": "object", "properties": {"a": {"type": "array", "minItems": 101}}},
    ],
)
def test_a_schema_that_asks_for_more_than_the_context_holds_is_refused(
    schema: dict[str, Any],
) -> None:
    with pytest.raises(BadRequestError, match="cannot be met") as raised:
        bound_schema(schema, param="response_format")

    assert raised.value.param == "response_format"


def test_whole_numbers_of_a_schema_may_be_written_with_a_point() -> None:
    schema = {"type": "array", "items": {"type": "integer"}, "minItems": 2.0, "maxItems": 3.0}

    bounded = bound_schema(schema, param="response_format")

    assert (bounded["minItems"], bounded["maxItems"]) == (2, 3)
    assert isinstance(bounded["maxItems"], int)


@pytest.mark.case(155)
@pytest.mark.parametrize("schema", [{"$schema": 3}, {"$id": 5}, {"type": [{"type": "x"}]}])
def test_what_is_no_schema_is_said_without_python(schema: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError, match="is not a JSON schema") as raised:
        check_schema(schema, param="response_format")

    assert "{'" not in str(raised.value)


def test_a_huge_output_limit_does_not_wrap_around() -> None:
    assert constrain(body(max_tokens=2**32 + 5)).body["max_tokens"] == 1_000_000


@pytest.mark.case(24)
def test_an_empty_stop_stops_nothing() -> None:
    assert constrain(body(stop="")).body["stop"] == []
    assert constrain(body(stop=["", "."])).body["stop"] == ["."]


@pytest.mark.case(77)
def test_the_parameters_of_a_tool_are_an_object() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}

    with pytest.raises(BadRequestError) as raised:
        constrain(body(tools=[tool], tool_choice="required"))

    assert raised.value.param == "tools[0].function.parameters"


@pytest.mark.parametrize("name", ["x" * 5_000, "a\0b"])
def test_a_path_that_cannot_be_is_no_model(name: str) -> None:
    with pytest.raises(NotFoundError):
        find_weights(name)
