"""A budget names whose it is, and its limits are not below zero."""

from __future__ import annotations

import pytest

from puna.governance.budgets import SCOPE_KINDS, Budget
from puna.governance.keys import Principal
from puna.governance.windows import Window

EVER = Window.parse(None)


@pytest.mark.parametrize("scope", ["global", *(f"{kind}:a:b" for kind in SCOPE_KINDS)])
def test_a_budget_is_of_a_known_scope(scope: str) -> None:
    budget = Budget(scope, "money", 10**12, EVER)
    assert budget.soft_limit is None
    assert not budget.is_strict
    assert Principal("k", budgets=(budget,)).budgets == (budget,)


@pytest.mark.parametrize("scope", ["", "team", "team:", "globe", "global:1", "project:x", ":x"])
def test_another_scope_is_refused(scope: str) -> None:
    with pytest.raises(ValueError, match=r"The scope `.*` of a budget is not known"):
        Budget(scope, "money", 1, EVER)


@pytest.mark.parametrize(("limit", "soft"), [(-1, None), (1, -1)])
def test_a_limit_below_zero_is_refused(limit: int, soft: int | None) -> None:
    with pytest.raises(ValueError, match="A budget of `-1` is below zero"):
        Budget("global", "tokens", limit, EVER, soft)
