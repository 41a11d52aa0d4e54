"""Single keywords of a call: what they may be, and the error that names a wrong one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from puna.client.checks import read_list, read_mapping, read_names, read_price, read_seconds
from puna.errors import BadRequestError


def seconds(own: dict[str, Any]) -> float | None:
    return read_seconds(own, "timeout", 600.0)


@pytest.mark.parametrize("value", [0, -1, True, "5", float("nan"), float("inf"), 10**9, [1]])
def test_a_time_is_a_number_of_seconds_above_zero(value: Any) -> None:
    with pytest.raises(BadRequestError) as caught:
        seconds({"timeout": value})
    assert caught.value.param == "timeout"


def test_a_time_that_is_not_given_is_the_default() -> None:
    assert seconds({}) == seconds({"timeout": None}) == 600.0
    assert seconds({"timeout": 5}) == 5.0


@pytest.mark.parametrize(
    ("read", "good", "wrong"),
    [
        (read_mapping, {"a": 1}, [1]),
        (read_mapping, {}, None),
        (read_list, [1], "text"),
        (read_list, (), {"a": 1}),
        (read_names, ["n"], ["n", 1]),
        (read_names, ["n"], "n"),
    ],
)
def test_a_keyword_of_another_kind_is_named(
    read: Callable[[dict[str, Any], str], Any], good: Any, wrong: Any
) -> None:
    assert read({"x": good}, "x") == good
    assert not read({}, "x")
    with pytest.raises(BadRequestError) as caught:
        read({"x": wrong}, "x")
    assert caught.value.param == "x"


def test_a_price_may_be_given_for_one_direction_only() -> None:
    assert read_price({}) is None
    price = read_price({"output_cost_per_token": 0.000002})
    assert price is not None
    assert (price.input_picos, price.output_picos) == (0, 2_000_000)


@pytest.mark.parametrize("value", [-1, "dear", float("nan")])
def test_a_price_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(BadRequestError) as caught:
        read_price({"input_cost_per_token": value})
    assert caught.value.param == "input_cost_per_token"
