"""The embeddings request: what is taken, and how what is wrong is told."""

from __future__ import annotations

from typing import Any

import pytest

from puna.errors import BadRequestError
from puna.types.embeddings import (
    MOST_INPUTS,
    EmbeddingRequest,
    EmbeddingResponse,
    make_embedding_request,
)


def make(given: Any = "hi", **fields: Any) -> EmbeddingRequest:
    return make_embedding_request("openai/e", given, fields)


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        ("hi", ("hi",)),
        (["a", "b"], ("a", "b")),
        (("a",), ("a",)),
        ([1, 2, 3], ((1, 2, 3),)),
        ([[1], [2, 3]], ((1,), (2, 3))),
        (list(range(5_000)), (tuple(range(5_000)),)),
    ],
)
def test_every_form_of_input_is_taken(given: Any, inputs: Any) -> None:
    assert make(given).inputs == inputs


@pytest.mark.parametrize(
    ("given", "path", "says"),
    [
        (None, "input", "not null"),
        (7, "input", "not a number"),
        ({"a": 1}, "input", "not an object"),
        ("", "input", "empty text"),
        ([], "input", "is empty"),
        (["a", "b", "c", ""], "input[3]", "empty text"),
        (["a", 1], "input[1]", "must be a text, not a number"),
        (["a", ["b"]], "input[1]", "must be a text, not a list"),
        (["\ud800"], "input[0]", "surrogate"),
        ([1, "a"], "input[1]", "token id"),
        ([1, -1], "input[1]", "token id"),
        ([1, True], "input[1]", "token id"),
        ([1, 2**40], "input[1]", "token id"),
        ([[1], "a"], "input[1]", "list of token ids"),
        ([[1], []], "input[1]", "is empty"),
        ([[1, 2], [3, 1.5]], "input[1][1]", "token id"),
        ([True], "input[0]", "must be a text"),
        (["a"] * (MOST_INPUTS + 1), "input", "at most 2048"),
        ([[1]] * (MOST_INPUTS + 1), "input", "at most 2048"),
    ],
)
def test_wrong_input_is_told_by_its_path(given: Any, path: str, says: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        make(given)
    assert caught.value.param == path
    assert says in caught.value.message


def test_as_many_inputs_as_openai_takes_are_taken() -> None:
    assert len(make(["a"] * MOST_INPUTS).inputs) == MOST_INPUTS


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dimensions", 0),
        ("dimensions", True),
        ("dimensions", "256"),
        ("encoding_format", "int8"),
        ("encoding_format", 1),
        ("user", 7),
        ("stream", True),
    ],
)
def test_a_wrong_parameter_is_told_by_name(field: str, value: Any) -> None:
    with pytest.raises(BadRequestError) as caught:
        make(**{field: value})
    assert caught.value.param == field


def test_nulls_are_not_given_and_other_fields_are_kept() -> None:
    request = make(dimensions=8, encoding_format=None, user=None, stream=None, input_type="query")
    assert request.params == {"dimensions": 8}
    assert request.extra == {"input_type": "query"}
    assert not request.wants_base64
    assert not request.is_stream
    assert make(encoding_format="base64").wants_base64


@pytest.mark.parametrize("model", ["", "  ", None, 3])
def test_a_model_must_be_named(model: Any) -> None:
    with pytest.raises(BadRequestError) as caught:
        make_embedding_request(model, "hi", {})
    assert caught.value.param == "model"


@pytest.mark.parametrize("body", [{"input": "x"}, {"model": "x"}, "x"])
def test_extra_body_holds_no_argument(body: Any) -> None:
    with pytest.raises(BadRequestError, match="extra_body"):
        make_embedding_request("m", "hi", {}, extra_body=body)


def test_a_deployments_chat_defaults_say_nothing_about_embeddings() -> None:
    defaults = {
        "temperature": 0.5,
        "max_tokens": 5,
        "dimensions": 8,
        "user": "d",
        "input_type": "q",
    }
    filled = make(user="own").with_defaults(defaults)
    assert filled.params == {"dimensions": 8, "user": "own"}
    assert filled.extra == {"input_type": "q"}


def test_overrides_win() -> None:
    assert make(dimensions=4).with_overrides({"dimensions": 8, "x": 1}).params == {"dimensions": 8}


def test_the_answer_can_be_read_like_a_dict_and_written_as_it_came() -> None:
    data = {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}],
        "model": "m",
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }
    answer = EmbeddingResponse.model_validate(data)
    assert answer["data"][0]["embedding"] == [0.5, 1.0]
    assert answer.report is None
    assert answer.to_dict() == data
