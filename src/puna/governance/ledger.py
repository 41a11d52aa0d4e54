"""The ledger: what is spent and what is reserved, so that budgets hold before money is spent.

A call *reserves* the most that it may use, and is refused where a budget does not pay for that. At
its end it *settles* what it really used, or *releases* the hold where nothing was used. All amounts
are ints; the time is passed in; nothing here waits, reads a clock or touches a disk.

Each scope, unit and window has an *account*, and each account one *counter* for each span of its
window (each day of a budget for a day). A counter has two sums: `settled`, what calls have used,
and `held`, what open holds have reserved.

States of a hold, and events:

    open     --settle-->   settled     what was used is charged
    open     --release-->  released    nothing is charged
    open     --expire-->   expired     nothing is charged yet; the hold blocks nobody any more
    expired  --settle-->   settled     what was used is charged, all of it as excess

What always holds (`tests/governance/test_governance_ledger_states.py` checks it in all states of
small worlds):

- All scopes of a call are reserved together, or none.
- For each counter, settled + held <= limit + excess. The excess is what calls used beyond their
  holds. It is charged like everything else, so that later calls are refused until it is covered:
  until other holds end with less than they reserved, or the window starts anew. What stands above
  the limit meanwhile is the *debt*.
- A hold ends once. To end it again changes nothing and gives the first settlement.
- Every hold ends: at the latest when it expires.
- A hold belongs to the span in which it was reserved, and so does what it is settled with, even
  after the window has started anew. So each span alone keeps its limit, and a new one begins with
  nothing held. Charged to the span in which it ends, a call would be paid by a budget that never
  agreed to it, and the earlier span's limit could be used twice over.
- `reserve` refuses a call only where settled + held + amount > limit in one of its counters. One
  that costs nothing in a unit is never refused for that unit, even in debt.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from puna.governance.budgets import Budget, Unit
from puna.governance.windows import NO_END, Window

HoldState = Literal["open", "settled", "released", "expired"]


class Counter:
    """What one account has used in one span of its window.

    Attributes:
        start_s, end_s: the span, in Unix seconds; its end is outside.
        settled: what calls have used.
        held: what open holds have reserved.
        excess: the part of `settled` that was used beyond what was held for it.
        is_soft_reported: whether the soft limit was reported as reached in this span.
    """

    __slots__ = ("end_s", "excess", "held", "is_soft_reported", "settled", "start_s")

    def __init__(self, start_s: int, end_s: int) -> None:
        self.start_s = start_s
        self.end_s = end_s
        self.settled = 0
        self.held = 0
        self.excess = 0
        self.is_soft_reported = False


class Account:
    """One scope, counted in one unit, for one window. `counter` is that of the latest span."""

    __slots__ = ("counter", "window")

    def __init__(self, window: Window, now_s: int) -> None:
        self.window = window
        self.counter = Counter(*window.span_at(now_s))

    def counter_at(self, now_s: int) -> Counter:
        """The counter of the span in which `now_s` lies. It never goes back to an earlier span."""
        counter = self.counter
        if now_s >= counter.end_s:
            counter = self.counter = Counter(*self.window.span_at(now_s))
        return counter


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """A budget with its account."""

    budget: Budget
    account: Account
    limit: int
    is_money: bool


@dataclass(frozen=True, slots=True, eq=False)
class Scopes:
    """Budgets that are reserved together, with their accounts; made by `Ledger.scopes`.

    Attributes:
        lines: one for each account.
        has_money, has_tokens: which units are counted.
    """

    lines: tuple[_Line, ...]
    has_money: bool
    has_tokens: bool


def _merged(one: Budget, other: Budget) -> Budget:
    """The budget that is as hard as two of the same account together."""
    soft = [each for each in (one.soft_limit, other.soft_limit) if each is not None]
    return replace(
        one,
        limit=min(one.limit, other.limit),
        soft_limit=min(soft, default=None),
        is_strict=one.is_strict or other.is_strict,
    )


class Hold:
    """What one call has reserved.

    Attributes:
        hold_id: unique in its ledger.
        scopes: whose budgets it counts against.
        picos, tokens: how much of each unit it has reserved.
        expires_s: the Unix second from which on it expires.
        state: see the module.
        settlement: how it was settled; None until then.
    """

    __slots__ = (
        "counters",
        "expires_s",
        "hold_id",
        "picos",
        "scopes",
        "settlement",
        "state",
        "tokens",
    )

    def __init__(
        self,
        hold_id: int,
        scopes: Scopes,
        counters: Sequence[Counter],
        picos: int,
        tokens: int,
        expires_s: int,
    ) -> None:
        self.hold_id = hold_id
        self.scopes = scopes
        self.counters = counters
        self.picos = picos
        self.tokens = tokens
        self.expires_s = expires_s
        self.state: HoldState = "open"
        self.settlement: Settlement | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing was reserved: the first budget that does not pay.

    Attributes:
        budget: the budget.
        settled, held: what is used and reserved of it, in its unit.
        asked: what the call wanted to reserve.
        resets_s: the Unix second at which the budget starts anew; None for never.
    """

    budget: Budget
    settled: int
    held: int
    asked: int
    resets_s: int | None


class Settlement(NamedTuple):
    """How a hold ended: what was charged to each of its counters.

    Attributes:
        hold_id: the hold.
        picos, tokens: what was charged, the excess included.
        excess_picos, excess_tokens: what of it goes beyond what was held.
        is_late: whether the hold had expired before.
        soft_limits: the budgets whose soft limit this settlement has reached, each reported once
            in a span.
    """

    hold_id: int
    picos: int
    tokens: int
    excess_picos: int = 0
    excess_tokens: int = 0
    is_late: bool = False
    soft_limits: tuple[Budget, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """What is used of one budget in its present span.

    Attributes:
        settled, held: what calls have used, and what open holds have reserved.
        debt: what stands above the limit.
        starts_s, resets_s: the span in Unix seconds; `resets_s` is None for one without an end.
    """

    settled: int
    held: int
    debt: int
    starts_s: int
    resets_s: int | None


class Ledger:
    """The accounts and open holds of one process. Not for several threads."""

    def __init__(self, lifetime_s: int) -> None:
        """A hold expires after `lifetime_s` seconds, which must be longer than any call."""
        if lifetime_s <= 0:
            raise ValueError(f"Holds that live `{lifetime_s}` seconds. Give more than 0.")
        self._lifetime_s: Final = lifetime_s
        self._accounts: dict[tuple[str, Unit, Window], Account] = {}
        # All live equally long, so that the first to expire comes first.
        self._open: OrderedDict[int, Hold] = OrderedDict()
        self._last_id = 0
        self._latest_s = 0
        self._look_at_s = NO_END
        """Nothing expires before this time."""

    @property
    def open_holds(self) -> Iterable[Hold]:
        """The holds that have not ended, the oldest first."""
        return self._open.values()

    def scopes(self, budgets: Iterable[Budget], now_s: int) -> Scopes:
        """Find or open the accounts of budgets, for `reserve`. Keep the result: it is dear.

        Of several budgets of one scope, unit and window, the lowest limit counts and the lowest
        soft limit; it is strict if one of them is.
        """
        lines: dict[tuple[str, Unit, Window], _Line] = {}
        for budget in budgets:
            name = budget.scope, budget.unit, budget.window
            account = self._accounts.get(name)
            if account is None:
                account = self._accounts[name] = Account(budget.window, now_s)
            known = lines.get(name)
            both = budget if known is None else _merged(known.budget, budget)
            lines[name] = _Line(both, account, both.limit, both.unit == "money")
        made = tuple(lines.values())
        return Scopes(
            made,
            has_money=any(line.is_money for line in made),
            has_tokens=not all(line.is_money for line in made),
        )

    def reserve(self, scopes: Scopes, picos: int, tokens: int, now_s: int) -> Hold | Refusal:
        """Reserve `picos` of every money budget and `tokens` of every token budget, or nothing.

        `now_s` is the Unix time in whole seconds. Takes time for each scope, whatever is held.
        """
        if now_s >= self._look_at_s:
            self.expire(now_s)
        counters: list[Counter] = []
        for line in scopes.lines:
            counter = line.account.counter
            if now_s >= counter.end_s:
                counter = line.account.counter_at(now_s)
            amount = picos if line.is_money else tokens
            if amount and counter.settled + counter.held + amount > line.limit:
                resets_s = None if counter.end_s == NO_END else counter.end_s
                return Refusal(line.budget, counter.settled, counter.held, amount, resets_s)
            counters.append(counter)
        return self._hold(scopes, counters, picos, tokens, now_s)

    def reserve_rest(self, scopes: Scopes, picos: int, tokens: int, now_s: int) -> Hold | Refusal:
        """Reserve what is left, for a call that is alone in each budget that does not pay it all.

        So the rest of a budget can be spent by calls that use less than they may. Others are
        refused: where a budget is strict, has open holds, or nothing left.
        """
        if now_s >= self._look_at_s:
            self.expire(now_s)
        counters: list[Counter] = []
        for line in scopes.lines:
            counter = line.account.counter_at(now_s)
            amount = picos if line.is_money else tokens
            left = line.limit - counter.settled - counter.held
            if amount > max(0, left):
                if line.budget.is_strict or counter.held or left <= 0:
                    resets_s = None if counter.end_s == NO_END else counter.end_s
                    return Refusal(line.budget, counter.settled, counter.held, amount, resets_s)
                if line.is_money:
                    picos = left
                else:
                    tokens = left
            counters.append(counter)
        return self._hold(scopes, counters, picos, tokens, now_s)

    def _hold(
        self, scopes: Scopes, counters: Sequence[Counter], picos: int, tokens: int, now_s: int
    ) -> Hold:
        """Open a hold that all of its counters pay."""
        for line, counter in zip(scopes.lines, counters, strict=True):
            counter.held += picos if line.is_money else tokens
        # Where the clock was set back, the order by expiry stays all the same.
        self._latest_s = max(self._latest_s, now_s)
        expires_s = self._latest_s + self._lifetime_s
        if not self._open:
            self._look_at_s = expires_s
        self._last_id += 1
        hold = Hold(self._last_id, scopes, counters, picos, tokens, expires_s)
        self._open[self._last_id] = hold
        return hold

    def settle(self, hold: Hold, picos: int, tokens: int) -> Settlement:
        """End a hold: charge what was used, which may be less or more than what was held.

        A hold that was settled or released before stays as it is, and its first settlement is
        returned. One that has expired is charged all the same.
        """
        if hold.settlement is not None:
            return hold.settlement
        if picos < 0 or tokens < 0:
            raise ValueError(f"Charged are `{picos}` and `{tokens}`: neither may be below zero.")
        is_late = hold.state == "expired"
        if not is_late:
            self._end(hold)
        hold.state = "settled"
        over_picos = picos if is_late else max(0, picos - hold.picos)
        over_tokens = tokens if is_late else max(0, tokens - hold.tokens)
        reached: list[Budget] = []
        for line, counter in zip(hold.scopes.lines, hold.counters, strict=True):
            counter.settled += picos if line.is_money else tokens
            counter.excess += over_picos if line.is_money else over_tokens
            soft = line.budget.soft_limit
            if soft is not None and not counter.is_soft_reported and counter.settled >= soft:
                counter.is_soft_reported = True
                reached.append(line.budget)
        hold.settlement = Settlement(
            hold.hold_id, picos, tokens, over_picos, over_tokens, is_late, tuple(reached)
        )
        return hold.settlement

    def release(self, hold: Hold) -> Settlement:
        """End a hold of a call that used nothing. Changes nothing where it has ended before."""
        if hold.settlement is None:
            if hold.state == "open":
                self._end(hold)
            hold.state = "released"
            hold.settlement = Settlement(hold.hold_id, 0, 0)
        return hold.settlement

    def expire(self, now_s: int) -> tuple[Hold, ...]:
        """End the holds that have lived too long, and return them."""
        ended: list[Hold] = []
        while self._open:
            hold = next(iter(self._open.values()))
            if hold.expires_s > now_s:
                self._look_at_s = hold.expires_s
                break
            self._end(hold)
            hold.state = "expired"
            ended.append(hold)
        return tuple(ended)

    def usage(self, budget: Budget, now_s: int) -> Usage:
        """What is used of a budget at this time; all zero where nobody has reserved any."""
        account = self._accounts.get((budget.scope, budget.unit, budget.window))
        if account is None:
            account = Account(budget.window, now_s)
        counter = account.counter_at(now_s)
        debt = max(0, counter.settled + counter.held - budget.limit)
        resets_s = None if counter.end_s == NO_END else counter.end_s
        return Usage(counter.settled, counter.held, debt, counter.start_s, resets_s)

    def affordable(self, scopes: Scopes, unit: Unit, now_s: int) -> int | None:
        """How much of a unit the strict budgets among `scopes` still pay; None where none is.

        A call that uses no more than that cannot pass any of them.
        """
        if now_s >= self._look_at_s:
            self.expire(now_s)
        free: int | None = None
        for line in scopes.lines:
            if line.budget.is_strict and line.budget.unit == unit:
                counter = line.account.counter_at(now_s)
                left = max(0, line.limit - counter.settled - counter.held)
                free = left if free is None else min(free, left)
        return free

    def _end(self, hold: Hold) -> None:
        """Give back what an open hold has reserved."""
        del self._open[hold.hold_id]
        for line, counter in zip(hold.scopes.lines, hold.counters, strict=True):
            counter.held -= hold.picos if line.is_money else hold.tokens
