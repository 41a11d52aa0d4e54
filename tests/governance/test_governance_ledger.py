"""Money and tokens are reserved before they are used, and settled once."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from puna.governance.budgets import Budget, Unit
from puna.governance.ledger import Hold, Ledger, Refusal, Scopes
from puna.governance.windows import Window

EVER = Window.parse(None)
DAY_S = 86_400
NOON_S = 20_000 * DAY_S + DAY_S // 2


def of(
    scope: str,
    limit: int,
    unit: Unit = "money",
    window: str | None = None,
    *,
    soft: int | None = None,
    strict: bool = False,
) -> Budget:
    return Budget(scope, unit, limit, Window.parse(window), soft, strict)


def reserved(
    ledger: Ledger, scopes: Scopes, picos: int, tokens: int = 0, now_s: int = NOON_S
) -> Hold:
    hold = ledger.reserve(scopes, picos, tokens, now_s)
    assert isinstance(hold, Hold), hold
    return hold


def refused(
    ledger: Ledger, scopes: Scopes, picos: int, tokens: int = 0, now_s: int = NOON_S
) -> Refusal:
    refusal = ledger.reserve(scopes, picos, tokens, now_s)
    assert isinstance(refusal, Refusal), refusal
    return refusal


def sums(ledger: Ledger, budget: Budget, now_s: int = NOON_S) -> tuple[int, int, int]:
    usage = ledger.usage(budget, now_s)
    return usage.settled, usage.held, usage.debt


def test_a_call_holds_the_most_it_may_use_and_is_charged_what_it_used() -> None:
    ledger, budget = Ledger(600), of("global", 100)
    scopes = ledger.scopes([budget], NOON_S)
    hold = reserved(ledger, scopes, 60)
    assert (hold.state, hold.expires_s, list(ledger.open_holds)) == ("open", NOON_S + 600, [hold])
    assert sums(ledger, budget) == (0, 60, 0)
    refusal = refused(ledger, scopes, 41)
    assert (refusal.budget, refusal.settled, refusal.held, refusal.asked) == (budget, 0, 60, 41)
    assert refusal.resets_s is None
    settlement = ledger.settle(hold, 25, 0)
    assert (settlement.picos, settlement.excess_picos, settlement.is_late) == (25, 0, False)
    assert (hold.state, list(ledger.open_holds)) == ("settled", [])
    assert sums(ledger, budget) == (25, 0, 0)
    assert reserved(ledger, scopes, 75).hold_id != hold.hold_id


def test_all_scopes_are_reserved_or_none() -> None:
    ledger = Ledger(600)
    key, team, tokens = of("key:k", 100), of("team:t", 50), of("global", 9, "tokens")
    scopes = ledger.scopes([key, team, tokens], NOON_S)
    assert refused(ledger, scopes, 60, 1).budget is team
    assert refused(ledger, scopes, 50, 10).budget is tokens
    assert [sums(ledger, one) for one in (key, team, tokens)] == [(0, 0, 0)] * 3
    ledger.release(reserved(ledger, scopes, 50, 9))
    assert [sums(ledger, one) for one in (key, team, tokens)] == [(0, 0, 0)] * 3


def test_a_hold_ends_once() -> None:
    ledger, budget = Ledger(600), of("global", 100)
    scopes = ledger.scopes([budget], NOON_S)
    settled, released = reserved(ledger, scopes, 10), reserved(ledger, scopes, 10)
    first = ledger.settle(settled, 7, 0)
    assert ledger.settle(settled, 9, 0) is first
    assert ledger.release(settled) is first
    nothing = ledger.release(released)
    assert ledger.settle(released, 9, 0) is nothing
    assert (nothing.picos, nothing.tokens) == (0, 0)
    assert sums(ledger, budget) == (7, 0, 0)


def test_what_a_call_used_beyond_its_hold_is_a_debt_that_blocks_until_it_is_covered() -> None:
    ledger, budget = Ledger(600), of("global", 100)
    scopes = ledger.scopes([budget], NOON_S)
    wrong, other = reserved(ledger, scopes, 40), reserved(ledger, scopes, 60)
    assert ledger.settle(wrong, 55, 0).excess_picos == 15
    assert sums(ledger, budget) == (55, 60, 15)
    assert refused(ledger, scopes, 1).settled == 55
    ledger.settle(other, 20, 0)
    assert sums(ledger, budget) == (75, 0, 0)
    ledger.settle(reserved(ledger, scopes, 25), 30, 0)
    assert sums(ledger, budget) == (105, 0, 5)
    assert refused(ledger, scopes, 1).asked == 1
    assert reserved(ledger, scopes, 0).state == "open"


def test_a_debt_ends_with_its_window() -> None:
    ledger, budget = Ledger(600), of("global", 100, window="1d")
    scopes = ledger.scopes([budget], NOON_S)
    ledger.settle(reserved(ledger, scopes, 100), 130, 0)
    refusal = refused(ledger, scopes, 1)
    assert refusal.resets_s == NOON_S + DAY_S // 2
    assert sums(ledger, budget, refusal.resets_s) == (0, 0, 0)
    assert reserved(ledger, scopes, 100, now_s=refusal.resets_s).state == "open"


def test_a_hold_is_settled_in_the_span_that_agreed_to_it() -> None:
    ledger, today, ever = Ledger(DAY_S * 9), of("global", 100, window="1d"), of("global", 300)
    scopes = ledger.scopes([today, ever], NOON_S)
    hold = reserved(ledger, scopes, 80)
    tomorrow = NOON_S + DAY_S
    assert sums(ledger, today, tomorrow) == (0, 0, 0)
    assert reserved(ledger, scopes, 100, now_s=tomorrow).state == "open"
    ledger.settle(hold, 90, 0)
    assert sums(ledger, today, tomorrow) == (0, 100, 0)
    assert sums(ledger, ever, tomorrow) == (90, 100, 0)
    assert [counter.settled for counter in hold.counters] == [90, 90]


def test_a_clock_that_is_set_back_starts_no_span_anew_and_delays_no_expiry() -> None:
    ledger, budget = Ledger(600), of("global", 100, window="1d")
    scopes = ledger.scopes([budget], NOON_S)
    ledger.settle(reserved(ledger, scopes, 70), 70, 0)
    yesterday = NOON_S - DAY_S
    assert refused(ledger, scopes, 31, now_s=yesterday).settled == 70
    assert reserved(ledger, scopes, 30, now_s=yesterday).expires_s == NOON_S + 600


def test_a_hold_expires_and_a_late_settlement_is_charged_once_and_in_full() -> None:
    ledger, budget = Ledger(600), of("global", 100)
    scopes = ledger.scopes([budget], NOON_S)
    lost, late = reserved(ledger, scopes, 50), reserved(ledger, scopes, 50, now_s=NOON_S + 1)
    assert refused(ledger, scopes, 1, now_s=NOON_S + 599).held == 100
    assert ledger.expire(NOON_S + 599) == ()
    third = reserved(ledger, scopes, 50, now_s=NOON_S + 600)
    assert (lost.state, late.state, third.state) == ("expired", "open", "open")
    assert ledger.expire(NOON_S + 601) == (late,)
    settlement = ledger.settle(late, 60, 0)
    assert (settlement.is_late, settlement.picos, settlement.excess_picos) == (True, 60, 60)
    assert ledger.settle(late, 60, 0) is settlement
    assert ledger.release(lost).picos == 0
    assert sums(ledger, budget) == (60, 50, 10)


def test_holds_are_looked_through_only_when_one_expires() -> None:
    """A reservation takes no longer with ten thousand holds open."""
    ledger = Ledger(600)
    scopes = ledger.scopes([of("global", 10**9)], NOON_S)
    holds = [reserved(ledger, scopes, 1, now_s=NOON_S + n // 100) for n in range(10_000)]
    for hold in holds[: len(holds) // 2]:
        ledger.release(hold)
    assert len(list(ledger.open_holds)) == 5_000
    assert len(ledger.expire(NOON_S + 600 + 74)) == 2_500
    assert len(ledger.expire(NOON_S + 600 + 99)) == 2_500


def test_a_soft_limit_is_reported_once_in_a_span_and_refuses_nothing() -> None:
    ledger, budget = Ledger(600), of("global", 100, window="1d", soft=50)
    scopes = ledger.scopes([budget], NOON_S)

    def settle(picos: int, now_s: int) -> tuple[Budget, ...]:
        return ledger.settle(reserved(ledger, scopes, picos, now_s=now_s), picos, 0).soft_limits

    assert settle(49, NOON_S) == ()
    assert settle(1, NOON_S) == (budget,)
    assert settle(1, NOON_S) == ()
    assert settle(60, NOON_S + DAY_S) == (budget,)


def test_what_strict_budgets_still_pay() -> None:
    ledger = Ledger(600)
    budgets = [
        of("global", 100),
        of("key:k", 80, strict=True),
        of("team:t", 70, strict=True),
        of("team:t", 9, "tokens", strict=True),
    ]
    scopes = ledger.scopes(budgets, NOON_S)
    reserved(ledger, scopes, 30, 4)
    assert ledger.affordable(scopes, "money", NOON_S) == 40
    assert ledger.affordable(scopes, "tokens", NOON_S) == 5
    assert ledger.affordable(scopes, "money", NOON_S + 600) == 70
    assert ledger.affordable(ledger.scopes(budgets[:1], NOON_S), "money", NOON_S) is None
    ledger.settle(reserved(ledger, scopes, 40, 5), 90, 6)
    assert ledger.affordable(scopes, "money", NOON_S) == 0


def test_the_rest_of_a_budget_is_reserved_by_a_call_that_is_alone() -> None:
    ledger, now_s = Ledger(600), NOON_S
    key, team, tokens = of("key:k", 100), of("team:t", 70), of("global", 40, "tokens")
    scopes = ledger.scopes([key, team, tokens], now_s)
    first = ledger.reserve_rest(scopes, 80, 30, now_s)
    assert isinstance(first, Hold)
    assert (first.picos, first.tokens) == (70, 30)
    assert isinstance(ledger.reserve_rest(scopes, 1, 1, now_s), Refusal)
    ledger.settle(first, 60, 30)
    second = ledger.reserve_rest(scopes, 80, 30, now_s)
    assert isinstance(second, Hold)
    assert (second.picos, second.tokens) == (10, 10)
    assert ledger.settle(second, 15, 10).excess_picos == 5
    nothing = ledger.reserve_rest(scopes, 1, 1, now_s)
    assert isinstance(nothing, Refusal)
    assert (nothing.budget, nothing.settled, nothing.asked) == (team, 75, 1)
    strict = ledger.scopes([of("key:s", 10, window="1d", strict=True)], now_s)
    refusal = ledger.reserve_rest(strict, 11, 0, now_s)
    assert isinstance(refusal, Refusal)
    assert refusal.resets_s == now_s + DAY_S // 2
    assert isinstance(ledger.reserve_rest(strict, 10, 0, now_s), Hold)
    assert isinstance(ledger.reserve_rest(strict, 10, 0, now_s + 600), Hold), "the other expired"


def test_two_budgets_of_one_account_count_as_the_harder_one() -> None:
    ledger = Ledger(600)
    loose, hard = of("global", 100, soft=10), of("global", 60, soft=20, strict=True)
    for pair in ([loose, hard], [hard, loose]):
        scopes = ledger.scopes(pair, NOON_S)
        assert refused(ledger, scopes, 61).budget == of("global", 60, soft=10, strict=True)
        assert ledger.affordable(scopes, "money", NOON_S) == 60
        ledger.release(reserved(ledger, scopes, 60))
    assert (scopes.has_money, scopes.has_tokens) == (True, False)
    assert ledger.scopes([of("global", 1, "tokens")], NOON_S).has_tokens
    assert sums(ledger, loose) == (0, 0, 0)


def test_a_changed_limit_counts_what_was_spent_before() -> None:
    ledger = Ledger(600)
    ledger.settle(reserved(ledger, ledger.scopes([of("key:k", 100)], NOON_S), 90), 90, 0)
    lowered = of("key:k", 60)
    assert sums(ledger, lowered) == (90, 0, 30)
    assert refused(ledger, ledger.scopes([lowered], NOON_S), 1).settled == 90
    assert reserved(ledger, ledger.scopes([of("key:k", 120)], NOON_S), 30).state == "open"


def test_impossible_amounts_are_refused() -> None:
    ledger = Ledger(600)
    hold = reserved(ledger, ledger.scopes([of("global", 5)], NOON_S), 1)
    with pytest.raises(ValueError, match="neither may be below zero"):
        ledger.settle(hold, -1, 0)
    assert hold.state == "open"
    with pytest.raises(ValueError, match="Give more than 0"):
        Ledger(0)


def test_a_budget_that_nobody_used_has_no_usage() -> None:
    usage = Ledger(600).usage(of("key:k", 5, window="1d"), NOON_S)
    assert (usage.settled, usage.held, usage.debt) == (0, 0, 0)
    assert (usage.starts_s, usage.resets_s) == (NOON_S - DAY_S // 2, NOON_S + DAY_S // 2)
    assert Ledger(600).usage(of("key:k", 5), NOON_S).resets_s is None


BUDGETS = (
    of("key:a", 40, window="1h"),
    of("key:b", 60),
    of("team:t", 90, "tokens", "1d"),
    of("global", 100, soft=10),
)


class Ledgers(RuleBasedStateMachine):
    """Any history of calls, against sums over a plain list of everything that happened."""

    holds = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        self.ledger, self.now_s = Ledger(3_000), NOON_S
        self.rows: list[tuple[Hold, int, int]] = []
        self.all: list[tuple[Hold, int]] = []

    @rule(target=holds, chosen=st.sets(st.sampled_from(BUDGETS)), amount=st.integers(0, 50))
    def reserve(self, chosen: set[Budget], amount: int) -> Hold | None:
        scopes = self.ledger.scopes(sorted(chosen, key=BUDGETS.index), self.now_s)
        got = self.ledger.reserve(scopes, amount, 2 * amount, self.now_s)
        wanted = [self._pays(one, amount if one.unit == "money" else 2 * amount) for one in chosen]
        assert isinstance(got, Hold) == all(wanted)
        if isinstance(got, Refusal):
            return None
        self.all.append((got, self.now_s))
        return got

    def _pays(self, budget: Budget, amount: int) -> bool:
        settled, held = self._sums(budget)
        return not amount or settled + held + amount <= budget.limit

    @rule(hold=holds, used=st.integers(0, 60))
    def settle(self, hold: Hold | None, used: int) -> None:
        if hold is not None:
            is_first = hold.settlement is None
            settlement = self.ledger.settle(hold, used, 3 * used)
            if is_first:
                self.rows.append((hold, settlement.picos, settlement.tokens))

    @rule(hold=holds)
    def release(self, hold: Hold | None) -> None:
        if hold is not None:
            self.ledger.release(hold)

    @rule(seconds=st.sampled_from((1, 700, 3_000, 3_600, DAY_S)))
    def pass_time(self, seconds: int) -> None:
        self.now_s += seconds
        self.ledger.expire(self.now_s)

    def _sums(self, budget: Budget) -> tuple[int, int]:
        start_s, end_s = budget.window.span_at(self.now_s)
        mine = [
            hold
            for hold, at_s in self.all
            if start_s <= at_s < end_s and budget in [one.budget for one in hold.scopes.lines]
        ]
        is_money = budget.unit == "money"
        settled = sum(
            picos if is_money else tokens for hold, picos, tokens in self.rows if hold in mine
        )
        held = sum(hold.picos if is_money else hold.tokens for hold in mine if hold.state == "open")
        return settled, held

    @invariant()
    def counters_are_the_sums_of_the_rows(self) -> None:
        for budget in BUDGETS:
            usage = self.ledger.usage(budget, self.now_s)
            assert (usage.settled, usage.held) == self._sums(budget)

    @invariant()
    def every_hold_ends(self) -> None:
        assert all(hold.expires_s > self.now_s for hold in self.ledger.open_holds)


TestLedgers = Ledgers.TestCase
