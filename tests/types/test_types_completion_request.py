"""Text completions: prompts in every form, and what is wrong with one by its place."""

from __future__ import annotations

from typing import Any

import pytest

from puna.errors import BadRequestError
from puna.types.completion_request import make_completion_request, read_prompt


@pytest.mark.parametrize(
    ("given", "prompts"),
    [
        ("Once", ("Once",)),
        ("", ("",)),
        (["a", "b"], ("a", "b")),
        ([1, 2], ((1, 2),)),
        ([[1, 2], [3]], ((1, 2), (3,))),
    ],
)
def test_a_prompt_has_four_forms(given: Any, prompts: tuple[Any, ...]) -> None:
    assert make_completion_request("m", given, {}).prompts == prompts


@pytest.mark.parametrize(
    ("given", "param"),
    [
        (None, "prompt"),
        (5, "prompt"),
        ({"a": 1}, "prompt"),
        ([], "prompt"),
        (["a", 1], "prompt[1]"),
        ([1, "a"], "prompt[1]"),
        ([[1], "a"], "prompt[1]"),
        ([[1], []], "prompt[1]"),
        ([[1, -1]], "prompt[0][1]"),
        ([True], "prompt[0]"),
    ],
)
def test_a_wrong_prompt_is_told_by_its_place(given: Any, param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read_prompt(given)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("name", "value"),
    [("echo", "yes"), ("best_of", -1), ("logprobs", 1.5), ("suffix", 5), ("max_tokens", "9")],
)
def test_a_wrong_parameter_is_named(name: str, value: Any) -> None:
    with pytest.raises(BadRequestError) as caught:
        make_completion_request("m", "Once", {name: value})
    assert caught.value.param == name


def test_parameters_and_other_fields_are_told_apart_and_a_usage_is_asked_for() -> None:
    fields = {"echo": True, "logprobs": 0, "top_k": 4, "seed": None}
    asked = make_completion_request("m", "Once", fields, stream=True, extra_body={"min_p": 0.1})
    assert (asked.params, asked.extra) == (
        {"echo": True, "logprobs": 0},
        {"top_k": 4, "min_p": 0.1},
    )
    assert asked.is_stream
    assert not asked.wants_usage
    options = {"stream_options": {"include_usage": True}}
    assert make_completion_request("m", "Once", options, stream=True).wants_usage
    with pytest.raises(BadRequestError, match="`stream` must be true or false"):
        make_completion_request("m", "Once", {}, stream="yes")
