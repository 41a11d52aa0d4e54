"""Options that are read by their kind, and the names that they have in each scope."""

from __future__ import annotations

from typing import Any

import pytest

from puna.errors import BadRequestError
from puna.types.option_kinds import Scope
from puna.types.option_scopes import (
    HOST_OPTIONS,
    fold_aliases,
    place_of,
    read_first,
    read_option,
    with_aliases,
)


@pytest.mark.parametrize("value", [0, -1, True, "5", float("nan"), float("inf"), 10**9, [1]])
def test_a_time_is_a_number_of_seconds_above_zero(value: Any) -> None:
    with pytest.raises(BadRequestError) as caught:
        read_option({"timeout": value}, "timeout", Scope.CALL)
    assert caught.value.param == "timeout"


def test_what_is_not_given_is_the_default() -> None:
    for given in ({}, {"timeout": None}):
        assert read_option(given, "timeout", Scope.CALL, 600.0) == 600.0
    assert read_option({"timeout": 5}, "timeout", Scope.CALL, 600.0) == 5.0


@pytest.mark.parametrize(
    ("name", "good", "wrong"),
    [
        ("metadata", {"a": 1}, [1]),
        ("fallbacks", [1], "text"),
        ("fallbacks", (), {"a": 1}),
        ("allowed_openai_params", ["n"], ["n", 1]),
        ("allowed_openai_params", ["n"], "n"),
        ("max_retries", 0, True),
        ("max_retries", 11, 1.0),
        ("format_retries", 10, 11),
        ("drop_params", False, 0),
    ],
)
def test_a_keyword_of_another_kind_is_named(name: str, good: Any, wrong: Any) -> None:
    assert read_option({name: good}, name, Scope.CALL) == good
    with pytest.raises(BadRequestError, match=f"`{name}` must be") as caught:
        read_option({name: wrong}, name, Scope.CALL)
    assert caught.value.param == name


def test_a_client_of_the_gateway_may_ask_for_less_than_a_call() -> None:
    for name, value in (("max_retries", 11), ("timeout", 86_401)):
        read_option({name: value}, name, Scope.CALL)
        with pytest.raises(BadRequestError, match=r"at most 86,400|from 0 to 10"):
            read_option({name: value}, name, Scope.REQUEST)


@pytest.mark.parametrize("name", ["api_key", "api_base", "aws_secret_access_key", "headers"])
def test_an_error_never_shows_what_may_be_secret(name: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read_option({name: 77_123}, name, Scope.CALL)
    assert "77" not in caught.value.message


def test_other_names_count_after_the_main_one() -> None:
    names = with_aliases("max_retries")
    assert names == ("max_retries", "num_retries")
    assert read_first({"num_retries": 2}, names, Scope.CALL) == 2
    assert read_first({"num_retries": 2, "max_retries": 0}, names, Scope.CALL) == 0
    assert read_first({}, names, Scope.CALL) is None
    assert fold_aliases({"base_url": "b", "timeout": 1}) == {"api_base": "b", "timeout": 1}
    assert fold_aliases({"base_url": "b", "api_base": "a"}) == {"api_base": "a"}


def test_headers_of_both_names_are_joined_and_the_main_name_wins() -> None:
    given = {"headers": {"a": "1", "b": "1"}, "extra_headers": {"b": "2"}}
    assert fold_aliases(given) == {"extra_headers": {"a": "1", "b": "2"}}
    assert fold_aliases({"headers": {"a": "1"}}) == {"extra_headers": {"a": "1"}}


def test_a_fallback_at_the_same_host_shares_the_key_and_no_price() -> None:
    assert {"api_key", "api_base", "aws_region_name", "aws_profile_name"} <= HOST_OPTIONS
    assert HOST_OPTIONS.isdisjoint(("input_cost_per_token", "timeout", "headers"))


def test_a_place_is_told_by_its_section_or_else_by_its_kind() -> None:
    assert place_of("weight") == "belongs in `litellm_params`"
    assert place_of("default_fallbacks") == "belongs in `litellm_settings` or `router_settings`"
    assert place_of("mock_delay") == "is a keyword of a call in Python"
