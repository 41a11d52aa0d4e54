"""Amounts are whole pico-dollars, read from the text of a number."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.governance.amounts import dollars, pico_dollars


@pytest.mark.parametrize(
    ("amount", "picos"),
    [
        (0, 0),
        (-0.0, 0),
        (100, 100 * 10**12),
        (0.1, 10**11),
        ("0.1", 10**11),
        (Decimal("0.1"), 10**11),
        (0.1 + 0.2, 3 * 10**11),
        ("1e-12", 1),
        ("12.50", 12_500_000_000_000),
        (Decimal("99999999.999999999999"), 99_999_999_999_999_999_999),
        ("1e12", 10**24),
    ],
)
def test_dollars_are_read_by_their_decimal_text(amount: Decimal | float | str, picos: int) -> None:
    assert pico_dollars(amount) == picos


@pytest.mark.parametrize(
    "amount",
    [math.nan, math.inf, -math.inf, "", "ten", "1e13", "1e999999999", True, "0x10"],
)
def test_what_is_no_usable_number_is_refused(amount: Decimal | float | str) -> None:
    with pytest.raises(ValueError, match=r"is not a usable number\. Give US dollars"):
        pico_dollars(amount)


def test_a_number_of_very_many_digits_is_refused() -> None:
    with pytest.raises(ValueError, match="has too many digits"):
        pico_dollars(10**5000)


def test_less_than_nothing_and_less_than_a_pico_dollar_are_refused() -> None:
    with pytest.raises(ValueError, match=r"The amount `-0.01` is below zero"):
        pico_dollars(-0.01)
    with pytest.raises(ValueError, match="is below zero"):
        pico_dollars("-1e-30")
    with pytest.raises(ValueError, match="is finer than 1e-12"):
        pico_dollars("4e-13")


@given(st.integers(-(10**24), 10**24))
def test_dollars_are_exact_and_come_back(picos: int) -> None:
    assert dollars(picos) * 10**12 == picos or len(str(picos)) > 28
    assert int(Decimal((0, (1,), 12)) * dollars(abs(picos) % 10**15)) == abs(picos) % 10**15
    if picos >= 0:
        assert pico_dollars(dollars(picos)) == picos


def test_dollars_are_written_without_needless_zeros() -> None:
    assert [f"{dollars(picos):f}" for picos in (0, 10**12, 10**15, 500 * 10**9, 1, -1)] == [
        "0",
        "1",
        "1000",
        "0.5",
        "0.000000000001",
        "-0.000000000001",
    ]
