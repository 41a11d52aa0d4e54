from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.catalog.prices import (
    FREE,
    PICOS_PER_DOLLAR,
    Price,
    cost_picos,
    dollars,
    price_from_dollars_per_million,
    price_from_dollars_per_token,
)
from puna.errors import ConfigError

PICOS = st.integers(0, 10**9)
TOKENS = st.integers(0, 10**9)
PRICES = st.builds(Price, PICOS, PICOS, st.none() | PICOS)


@pytest.mark.parametrize(
    ("given_price", "picos"),
    [
        ("0.00000125", 1_250_000),
        (1.25e-06, 1_250_000),
        (1.5e-07, 150_000),
        (2e-09, 2_000),
        (Decimal("0.000000000001"), 1),
        ("1E-12", 1),
        (0, 0),
        (0.0, 0),
        (-0.0, 0),
        ("0", 0),
        (1, PICOS_PER_DOLLAR),
        ("1e6", 10**18),
    ],
)
def test_dollars_per_token_become_exact_picos(
    given_price: str | float | Decimal, picos: int
) -> None:
    assert price_from_dollars_per_token(given_price) == picos


def test_the_dust_of_float_division_is_rounded_away() -> None:
    dusty = 0.1 / 1_000_000
    assert repr(dusty) != repr(1e-07)
    assert price_from_dollars_per_token(dusty) == 100_000


@pytest.mark.parametrize("bad", ["", "cheap", "nan", "inf", "-inf", float("nan"), float("inf")])
def test_what_is_not_a_number_is_no_price(bad: str | float) -> None:
    with pytest.raises(ConfigError, match="is not a usable number"):
        price_from_dollars_per_token(bad)


@pytest.mark.parametrize("large", ["1e999999999", "1e99999", 1e300])
def test_an_absurdly_large_price_is_refused(large: str | float) -> None:
    with pytest.raises(ConfigError, match="is not a usable number"):
        price_from_dollars_per_token(large)


def test_a_price_below_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="below zero"):
        price_from_dollars_per_token("-0.000001")
    with pytest.raises(ConfigError, match="below zero"):
        Price(input_picos=1, output_picos=-1)


@pytest.mark.parametrize("tiny", ["1e-13", "1e-999999", 1e-300])
def test_a_price_is_never_rounded_to_free(tiny: str | float) -> None:
    with pytest.raises(ConfigError, match="finer than"):
        price_from_dollars_per_token(tiny)


@given(st.integers(1, 10**15))
def test_any_whole_number_of_picos_survives_as_text(picos: int) -> None:
    assert price_from_dollars_per_token(Decimal(picos).scaleb(-12)) == picos
    assert price_from_dollars_per_token(str(Decimal(picos).scaleb(-12))) == picos
    assert price_from_dollars_per_million(Decimal(picos).scaleb(-6)) == picos


@given(st.integers(1, 10**10))
def test_floats_of_published_prices_are_exact(picos: int) -> None:
    assert price_from_dollars_per_token(picos / PICOS_PER_DOLLAR) == picos


@pytest.mark.case(33)
def test_a_custom_price_gives_a_cost() -> None:
    price = Price(
        input_picos=price_from_dollars_per_token(1e-06),
        output_picos=price_from_dollars_per_token(2e-06),
    )
    assert dollars(cost_picos(price, 1_000, 500)) == 0.002


@pytest.mark.case(33)
def test_free_costs_nothing() -> None:
    assert FREE.is_free
    assert cost_picos(FREE, 10**9, 10**9, 5) == 0
    assert not Price(input_picos=0, output_picos=0, cached_input_picos=1).is_free


def test_cached_tokens_are_part_of_the_prompt_and_billed_once() -> None:
    price = Price(input_picos=100, output_picos=1_000, cached_input_picos=10)
    assert cost_picos(price, 7, 3, cached_tokens=5) == 2 * 100 + 5 * 10 + 3 * 1_000


def test_tokens_written_to_the_cache_are_billed_once_and_by_how_long_they_stay() -> None:
    price = Price(100, 0, cached_input_picos=10, cache_write_picos=125, cache_write_1h_picos=200)
    cost = cost_picos(price, 20, 0, cached_tokens=5, written_tokens=(4, 3))
    assert cost == 8 * 100 + 5 * 10 + 4 * 125 + 3 * 200
    assert cost_picos(Price(100, 0), 20, 0, written_tokens=(4, 3)) == 2_000
    assert cost_picos(price, 6, 0, cached_tokens=5, written_tokens=(4, 3)) == 5 * 10 + 125


def test_without_a_cached_price_cached_tokens_cost_like_others() -> None:
    price = Price(input_picos=100, output_picos=0)
    assert cost_picos(price, 7, 0, cached_tokens=5) == 700


def test_more_cached_than_prompt_tokens_are_billed_as_the_prompt() -> None:
    price = Price(input_picos=100, output_picos=0, cached_input_picos=10)
    assert cost_picos(price, 3, 0, cached_tokens=9) == 30


@pytest.mark.parametrize("counts", [(-1, 0, 0), (0, -1, 0), (0, 0, -1)])
def test_counts_below_zero_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="below zero"):
        cost_picos(FREE, *counts)


@given(PRICES, TOKENS, TOKENS, TOKENS)
def test_the_classes_of_tokens_are_disjoint_and_sum_to_the_cost(
    price: Price, fresh: int, cached: int, completion: int
) -> None:
    whole = cost_picos(price, fresh + cached, completion, cached)
    parts = (
        cost_picos(price, fresh, 0),
        cost_picos(price, cached, 0, cached),
        cost_picos(price, 0, completion),
    )
    assert whole == sum(parts)


@given(PRICES, st.lists(st.tuples(TOKENS, TOKENS), max_size=5))
def test_the_cost_of_calls_together_is_the_sum_of_each(
    price: Price, calls: list[tuple[int, int]]
) -> None:
    together = cost_picos(price, sum(p for p, _ in calls), sum(c for _, c in calls))
    assert together == sum(cost_picos(price, prompt, done) for prompt, done in calls)


@given(st.integers(0, 10**15))
def test_dollars_read_back_as_the_same_picos(picos: int) -> None:
    assert round(Decimal(repr(dollars(picos))) * PICOS_PER_DOLLAR) == picos
