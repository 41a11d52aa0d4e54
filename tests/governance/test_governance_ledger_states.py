"""No order of events breaks the ledger: all states of small worlds are visited.

`make ledger-states` visits those of larger ones. The planted faults show that it would be noticed.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.ledger_worlds import SMALL, UNITS, LedgerWorld, World
from tests.support.state_space import BrokenInvariantError, explore

from puna.governance.ledger import Hold, Ledger, Refusal, Scopes, Settlement


@pytest.mark.parametrize(("world", "states"), [(SMALL, 2_712), (UNITS, 2_512)])
def test_the_ledger_keeps_its_promises_in_all_states(world: World, states: int) -> None:
    """The count says that the worlds are still as large as they were."""
    explored = LedgerWorld(world).explore()
    print(f"{explored.states:,} states, {explored.steps:,} steps, depth {explored.depth}")
    assert explored.is_complete
    assert explored.states == states


class CheckThenAct(Ledger):
    """Looks at what is settled only, as where money is checked before and counted after."""

    def reserve(self, scopes: Scopes, picos: int, tokens: int, now_s: int) -> Hold | Refusal:
        held = [(line.account.counter, line.account.counter.held) for line in scopes.lines]
        for counter, _ in held:
            counter.held = 0
        got = super().reserve(scopes, picos, tokens, now_s)
        for counter, amount in held:
            counter.held += amount
        return got


class LostRelease(Ledger):
    """A call that used nothing keeps what it had reserved."""

    def release(self, hold: Hold) -> Settlement:
        held = [(counter, counter.held) for counter in hold.counters]
        settlement = super().release(hold)
        for counter, amount in held:
            counter.held = amount
        return settlement


class DoubleSettle(Ledger):
    """Each settlement counts, however often it comes."""

    def settle(self, hold: Hold, picos: int, tokens: int) -> Settlement:
        if hold.settlement is not None:
            for counter in hold.counters:
                counter.settled += picos
            return hold.settlement
        return super().settle(hold, picos, tokens)


class ResetDuringHold(Ledger):
    """A window that starts anew empties its counter, and the holds of the last one go on in it."""

    def reserve(self, scopes: Scopes, picos: int, tokens: int, now_s: int) -> Hold | Refusal:
        for line in scopes.lines:
            counter = line.account.counter
            if now_s >= counter.end_s:
                counter.start_s, counter.end_s = line.budget.window.span_at(now_s)
                counter.settled = counter.held = counter.excess = 0
        return super().reserve(scopes, picos, tokens, now_s)


class ChargedToTheNewSpan(Ledger):
    """A call is charged to the span in which it ends."""

    def settle(self, hold: Hold, picos: int, tokens: int) -> Settlement:
        was_open = hold.state == "open"
        if was_open:
            self._end(hold)
            hold.state = "expired"
        hold.counters = [line.account.counter for line in hold.scopes.lines]
        return super().settle(hold, picos, tokens)


class EndlessHold(Ledger):
    """Nothing expires while anybody looks."""

    def expire(self, now_s: int) -> tuple[Hold, ...]:
        return super().expire(now_s - 10**9)


class ExpiredAndCharged(Ledger):
    """What expires is charged in full, and once more when it is settled."""

    def expire(self, now_s: int) -> tuple[Hold, ...]:
        ended = super().expire(now_s)
        for hold in ended:
            for counter in hold.counters:
                counter.settled += hold.picos
        return ended


class SettledAfterExpiry(Ledger):
    """A late settlement gives back once more what its hold had reserved."""

    def settle(self, hold: Hold, picos: int, tokens: int) -> Settlement:
        if hold.state == "expired":
            for counter in hold.counters:
                counter.held -= hold.picos
        return super().settle(hold, picos, tokens)


class LateIsLost(Ledger):
    """A settlement after the expiry is ignored, and the spend is lost."""

    def settle(self, hold: Hold, picos: int, tokens: int) -> Settlement:
        return (
            self.release(hold) if hold.state == "expired" else super().settle(hold, picos, tokens)
        )


class PartlyReserved(Ledger):
    """A refusal leaves what the scopes before the refusing one had reserved."""

    def reserve(self, scopes: Scopes, picos: int, tokens: int, now_s: int) -> Hold | Refusal:
        got = super().reserve(scopes, picos, tokens, now_s)
        if isinstance(got, Refusal) and got.budget != scopes.lines[0].budget:
            scopes.lines[0].account.counter.held += picos
        return got


class SharedRest(Ledger):
    """The rest of a budget is reserved though others hold some of it."""

    def reserve_rest(self, scopes: Scopes, picos: int, tokens: int, now_s: int) -> Hold | Refusal:
        lines = [(line.account.counter, line.account.counter.held) for line in scopes.lines]
        for counter, _ in lines:
            counter.held = 0
        got = super().reserve_rest(scopes, picos, tokens, now_s)
        for counter, held in lines:
            counter.held += held
        return got


class ForgivenExcess(Ledger):
    """A call is charged no more than it had reserved."""

    def settle(self, hold: Hold, picos: int, tokens: int) -> Settlement:
        return super().settle(hold, min(picos, hold.picos), min(tokens, hold.tokens))


class RefusesTooEarly(Ledger):
    """The last of a budget cannot be spent."""

    def reserve(self, scopes: Scopes, picos: int, tokens: int, now_s: int) -> Hold | Refusal:
        got = super().reserve(scopes, picos + 1, tokens + 1, now_s)
        if isinstance(got, Refusal):
            return got
        self.release(got)
        return super().reserve(scopes, picos, tokens, now_s)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (CheckThenAct, "admitted that could not be paid"),
        (LostRelease, "the ledger says"),
        (DoubleSettle, "charged twice"),
        (ResetDuringHold, "the ledger says"),
        (ChargedToTheNewSpan, "the ledger says"),
        (EndlessHold, "the ledger says|could have been paid"),
        (ExpiredAndCharged, "the ledger says"),
        (SettledAfterExpiry, "the ledger says"),
        (LateIsLost, "the ledger says"),
        (PartlyReserved, "the ledger says"),
        (SharedRest, "admitted that could not be paid"),
        (ForgivenExcess, "the ledger says"),
        (RefusesTooEarly, "could have been paid"),
    ],
)
def test_a_planted_fault_is_found(fault: type[Ledger], told: str) -> None:
    with pytest.raises(BrokenInvariantError, match=told) as caught:
        LedgerWorld(SMALL, fault).explore()
    print(caught.value)
    assert "after " in str(caught.value)


def test_the_way_to_a_broken_state_is_the_shortest() -> None:
    def steps(state: int) -> Iterator[tuple[str, int]]:
        yield "double", 2 * state
        yield "add", state + 1

    def check(state: int) -> None:
        assert state != 8, "eight"

    with pytest.raises(BrokenInvariantError, match=r"eight\n.*\nafter double > double > double: 8"):
        explore(1, steps, check)
    assert not explore(1, lambda state: [("add", state + 1)], check, 5).is_complete
