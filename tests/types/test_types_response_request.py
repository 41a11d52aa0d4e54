"""Requests of the Responses API, checked before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from puna.errors import BadRequestError, NotFoundError
from puna.types.response_request import (
    make_responses_request,
    read_input,
    references_in,
    resolve_references,
)

HI = {"type": "message", "role": "user", "content": "hi"}
SAID = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
REFERENCE = {"type": "item_reference", "id": "msg_1"}


class City(BaseModel):
    name: str


def make(**fields: Any) -> Any:
    return make_responses_request("m", {"input": "hi", **fields})


@pytest.mark.parametrize(
    ("given", "items"),
    [
        ("hi", (HI,)),
        ([HI], (HI,)),
        ([{"role": "user", "content": "hi"}], (HI,)),
        ([{**HI, "status": None}], (HI,)),
        ([REFERENCE], (REFERENCE,)),
        ([{"id": "msg_1"}], (REFERENCE,)),
    ],
)
def test_an_input_becomes_items_with_their_types(given: Any, items: tuple[Any, ...]) -> None:
    assert read_input(given) == items


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ("", "input"),
        ([], "input"),
        (5, "input"),
        ({"role": "user"}, "input"),
        ([HI, "hi"], "input[1]"),
        ([HI, {"content": "hi"}], "input[1].type"),
        ([{"type": 5}], "input[0].type"),
        ([{"type": "item_reference"}], "input[0].id"),
    ],
)
def test_a_wrong_input_is_told_by_its_path(given: Any, param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read_input(given)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("background", True),
        ("conversation", "conv_1"),
        ("messages", []),
        ("max_tokens", 5),
        ("response_format", {"type": "json_object"}),
        ("n", 2),
        ("metadata", "a"),
        ("store", "yes"),
        ("previous_response_id", 5),
        ("text_format", {"type": "object"}),
        ("temperature", "hot"),
    ],
)
def test_what_would_be_another_request_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(BadRequestError) as caught:
        make(**{name: value})
    assert caught.value.param == name


def test_parameters_are_told_from_other_fields_and_from_what_stays_here() -> None:
    asked = make(
        temperature=0.5,
        top_k=4,
        metadata={"a": "b"},
        store=False,
        previous_response_id="resp_1",
        background=False,
        n=1,
        user=None,
    )
    assert (asked.params, asked.extra) == ({"temperature": 0.5}, {"top_k": 4})
    assert asked.metadata == {"a": "b"}
    assert asked.previous_response_id == "resp_1"
    assert not asked.is_stored
    assert make().is_stored


def test_a_pydantic_class_is_the_format_of_the_text() -> None:
    told = make(text_format=City, text={"verbosity": "low"}).params["text"]
    assert told["verbosity"] == "low"
    assert (told["format"]["type"], told["format"]["strict"]) == ("json_schema", True)
    assert told["format"]["schema"]["required"] == ["name"]


def test_references_are_found_once_each() -> None:
    assert references_in([REFERENCE, HI, {"id": "msg_2"}, REFERENCE, 5]) == ("msg_1", "msg_2")
    assert references_in("msg_1") == references_in(None) == ()


def test_a_reference_is_the_stored_item_or_one_that_is_sent_anyway() -> None:
    stored = {"msg_1": SAID}
    assert resolve_references((HI, REFERENCE), stored) == ((HI, SAID), frozenset((1,)))
    assert resolve_references((REFERENCE, HI), {}, (SAID,)) == ((HI,), frozenset())
    with pytest.raises(NotFoundError) as caught:
        resolve_references((HI, REFERENCE), {})
    assert (caught.value.code, caught.value.param) == ("item_not_found", "input[1].id")
