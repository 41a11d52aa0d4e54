"""Formats of answers: classes of pydantic become schemas, and wrong ones are told."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import pytest
from pydantic import BaseModel, RootModel
from tests.support.chat_requests import make, refused

T = TypeVar("T")


class City(BaseModel):
    """A place."""

    name: str
    default: int = 3
    tags: list[str] = []


class Trip(BaseModel):
    stops: list[City]
    by_day: dict[str, int] = {}
    home: City | None = None


class Box(BaseModel, Generic[T]):
    item: T


class Odd(BaseModel):
    act: Callable[[], int]


class Names(RootModel[list[str]]):
    pass


@pytest.mark.case(82)
def test_a_pydantic_class_becomes_a_strict_schema() -> None:
    wanted = make(response_format=Trip).params["response_format"]
    assert wanted["type"] == "json_schema"
    body = wanted["json_schema"]
    assert (body["name"], body["strict"]) == ("Trip", True)
    schema = body["schema"]
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["stops", "by_day", "home"]
    city = schema["$defs"]["City"]
    assert city["required"] == ["name", "default", "tags"]
    assert city["additionalProperties"] is False
    assert city["properties"]["default"] == {"title": "Default", "type": "integer"}
    assert city["description"] == "A place."
    assert schema["properties"]["by_day"]["additionalProperties"] == {"type": "integer"}
    assert make(response_format=Names).params["response_format"]["json_schema"]["schema"] == {
        "items": {"type": "string"},
        "title": "Names",
        "type": "array",
    }


@pytest.mark.case(82)
def test_the_name_of_a_generic_class_becomes_one_that_hosts_take() -> None:
    assert (
        make(response_format=Box[int]).params["response_format"]["json_schema"]["name"]
        == "Box_int_"
    )


@pytest.mark.case(82)
@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (int, "not a pydantic model"),
        (Odd, "has no JSON schema"),
        (BaseModel, "has no JSON schema"),
        ({}, "must be text, json_object or json_schema"),
        ({"type": 5}, "must be text, json_object or json_schema"),
        ({"type": "json_schema"}, "needs `name` and `schema`"),
        ({"type": "json_schema", "json_schema": "x"}, "needs `name` and `schema`"),
        ({"type": "json_schema", "json_schema": {"name": "x"}}, "needs `name` and `schema`"),
    ],
)
def test_a_wrong_response_format_is_refused(wanted: Any, said: str) -> None:
    error = refused(lambda: make(response_format=wanted))
    assert error.param == "response_format"
    assert said in str(error)


@pytest.mark.case(82, 83, 84)
def test_a_response_format_that_is_right_stays_as_it_is() -> None:
    for wanted in (
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "strict": False}},
    ):
        before = copy.deepcopy(wanted)
        assert make(response_format=wanted).params["response_format"] == before
    nameless = {"type": "json_schema", "json_schema": {"schema": {}}}
    named = {"type": "json_schema", "json_schema": {"name": "response", "schema": {}}}
    assert make(response_format=nameless).params["response_format"] == named
    assert "response_format" not in make(response_format=None).params
