"""What all requests to a model share: the name of the model, parameters, and `extra_body`."""

from __future__ import annotations

from typing import Any

import pytest

from puna.errors import BadRequestError
from puna.types.model_request import check_extra_body, check_model, sort_params
from puna.types.requests import ChatRequest

CHECKS = {"n": (lambda value: isinstance(value, int), "a whole number")}
HI = ({"role": "user", "content": "hi"},)


@pytest.mark.parametrize("model", ["", "  ", None, 5, ["m"]])
def test_what_is_no_name_of_a_model_is_refused(model: Any) -> None:
    with pytest.raises(BadRequestError) as caught:
        check_model(model)
    assert caught.value.param == "model"
    assert check_model("openai/m") == "openai/m"


def test_an_extra_body_holds_nothing_that_has_an_argument_of_its_own() -> None:
    assert check_extra_body(None, ("model",)) == {}
    assert check_extra_body({"top_k": 1}, ("model",)) == {"top_k": 1}
    for wrong, param in (({"model": "m"}, "extra_body.model"), ("x", "extra_body")):
        with pytest.raises(BadRequestError) as caught:
            check_extra_body(wrong, ("model",))
        assert caught.value.param == param


def test_parameters_are_checked_and_others_kept_apart_without_nulls() -> None:
    fields = {"n": 2, "top_k": 4, "x": None}
    assert sort_params(fields, CHECKS) == ({"n": 2}, {"top_k": 4})
    with pytest.raises(BadRequestError, match="`n` must be a whole number, not `many`"):
        sort_params({"n": "many"}, CHECKS)


def test_defaults_fill_and_overrides_replace_what_the_caller_gave() -> None:
    asked = ChatRequest("m", HI, params={"temperature": 1.0, "max_tokens": 5})
    filled = asked.with_defaults({"temperature": 0.0, "max_completion_tokens": 9, "top_k": 4})
    assert filled.params == {"temperature": 1.0, "max_tokens": 5}
    assert filled.extra == {"top_k": 4}
    replaced = asked.with_overrides({"temperature": 0.0, "max_completion_tokens": 9})
    assert replaced.params == {"temperature": 0.0, "max_completion_tokens": 9}
    assert asked.params == {"temperature": 1.0, "max_tokens": 5}
