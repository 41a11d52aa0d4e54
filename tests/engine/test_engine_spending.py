"""All answers of a call are paid for: tokens and costs add up, and doubts stay."""

from __future__ import annotations

import pytest

from puna.engine.spending import Spending
from puna.types.common import Usage
from puna.types.report import CallReport


def report(cost: int | None, *, is_estimated: bool = False) -> CallReport:
    return CallReport(
        "id",
        cost_picos=cost,
        prompt_tokens=10,
        completion_tokens=5,
        cached_tokens=4,
        cache_creation_tokens=2,
        is_usage_estimated=is_estimated,
    )


def test_tokens_of_every_kind_add_up() -> None:
    last = report(7)
    Spending.of(report(3), Usage()).add_to(last, 7)
    assert (last.prompt_tokens, last.completion_tokens) == (20, 10)
    assert (last.cached_tokens, last.cache_creation_tokens) == (8, 4)
    assert last.cost_picos == 10


@pytest.mark.parametrize(("first", "second"), [(None, 7), (3, None), (None, None)])
def test_a_cost_that_is_unknown_for_one_is_unknown_for_all(
    first: int | None, second: int | None
) -> None:
    last = report(second)
    Spending.of(report(first), Usage()).add_to(last, second)
    assert last.cost_picos is None


def test_an_estimate_before_makes_the_whole_one() -> None:
    last = report(7)
    Spending.of(report(3, is_estimated=True), Usage()).add_to(last, 7)
    assert last.is_usage_estimated
    assert last.usage_certainty == "unknown"
    later = report(7, is_estimated=True)
    Spending.of(report(3), Usage()).add_to(later, 7)
    assert later.is_usage_estimated
    assert later.usage_certainty == "exact"  # the engine says this of the last answer
