"""Small worlds of a ledger: budgets, calls and a clock, with all that may happen in any order.

A state is frozen: the time, the counters of each account, and the holds that have not ended. Calls
that reserve the same are alike, so that states which differ only in which of them came first are
one. Each step sets the ledger's own objects to a state, has it do one thing, reads its state, and
compares that with what a plain list of holds gives (`_Model`).

`python -m tests.support.ledger_worlds` visits all states of the large worlds and prints how many
there are.
"""

from __future__ import annotations

import gc
import sys
import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from tests.support.state_space import Explored, explore

from puna.governance.budgets import Budget, Unit
from puna.governance.ledger import Counter, Hold, Ledger, Refusal, Scopes
from puna.governance.windows import Window


class CounterState(NamedTuple):
    """One account in one span. `held` follows from the holds, and is kept to be compared."""

    account: int
    start_s: int
    settled: int
    held: int
    excess: int


class HoldState(NamedTuple):
    """A hold that has not ended: what it reserved, and in which span of each account."""

    call: int
    picos: int
    tokens: int
    is_expired: bool
    expires_s: int
    starts_s: tuple[int, ...]


class State(NamedTuple):
    """A ledger at one moment, with the time."""

    now_s: int
    counters: tuple[CounterState, ...]
    holds: tuple[HoldState, ...]


@dataclass(frozen=True)
class CallKind:
    """Calls that reserve alike: the budgets (by index), the amounts, and what may be used."""

    budgets: tuple[int, ...]
    picos: int
    tokens: int
    used: tuple[int, ...]


@dataclass(frozen=True)
class World:
    """What may happen.

    Attributes:
        budgets: all budgets, each an account of its own.
        calls: the kinds of calls.
        most_holds: how many calls may be under way at once.
        last_s: when the clock stops.
        lifetime_s: after how many seconds a hold expires.
    """

    budgets: tuple[Budget, ...]
    calls: tuple[CallKind, ...]
    most_holds: int
    last_s: int
    lifetime_s: int


class LedgerWorld:
    """A world around a ledger. Its `explore` fails where the ledger breaks a promise."""

    def __init__(self, world: World, ledger_class: type[Ledger] = Ledger) -> None:
        self.world = world
        self.ledger = ledger_class(world.lifetime_s)
        # Each budget alone first, so that the accounts stand in their order.
        alone = [self.ledger.scopes([budget], 0) for budget in world.budgets]
        self.accounts = [scopes.lines[0].account for scopes in alone]
        self.scopes: list[Scopes] = [
            self.ledger.scopes([world.budgets[n] for n in call.budgets], 0) for call in world.calls
        ]

    def explore(self, most_states: int = 10**9) -> Explored[State]:
        """Visit the states."""
        start = State(
            0,
            tuple(
                CounterState(n, budget.window.span_at(0)[0], 0, 0, 0)
                for n, budget in enumerate(self.world.budgets)
            ),
            (),
        )
        return explore(start, self.steps, self.check, most_states)

    def check(self, state: State) -> None:
        """The invariants of a state."""
        for counter in state.counters:
            limit = self.world.budgets[counter.account].limit
            assert counter.settled >= 0, "less than nothing is settled"
            assert counter.settled + counter.held <= limit + counter.excess, "a cap is passed"
        # So every hold ends: the step `expire` ends all that have come to their time.
        latest_s = state.now_s + self.world.lifetime_s
        assert all(hold.expires_s <= latest_s for hold in state.holds), "a hold never ends"

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        """All that may happen next."""
        if state.now_s < self.world.last_s:
            yield "tick", state._replace(now_s=state.now_s + 1)
        if any(not hold.is_expired and hold.expires_s <= state.now_s for hold in state.holds):
            yield "expire", self._expire(state)
        if len(state.holds) < self.world.most_holds:
            for call in range(len(self.world.calls)):
                admitted = self._reserve(state, call, is_rest=False)
                yield f"reserve {call}", admitted
                if len(admitted.holds) == len(state.holds):
                    yield f"reserve the rest {call}", self._reserve(state, call, is_rest=True)
        for hold in dict.fromkeys(state.holds):
            for used in self.world.calls[hold.call].used:
                yield f"settle {hold.call} by {used}", self._settle(state, hold, used)
            yield f"release {hold.call}", self._release(state, hold)

    def _reserve(self, state: State, call: int, *, is_rest: bool) -> State:
        holds, kind = self._thaw(state), self.world.calls[call]
        reserve = self.ledger.reserve_rest if is_rest else self.ledger.reserve
        got = reserve(self.scopes[call], kind.picos, kind.tokens, state.now_s)
        model = _Model(self.world, state).expire(state.now_s)
        pays = model.reserve(call, is_rest=is_rest)
        if isinstance(got, Refusal):
            assert not pays, "a call is refused that could have been paid"
        else:
            assert pays, "a call is admitted that could not be paid"
            holds.append((call, got))
        return self._same(state.now_s, holds, model)

    def _settle(self, state: State, hold: HoldState, used: int) -> State:
        holds = self._thaw(state)
        position = state.holds.index(hold)
        real = holds[position][1]
        first = self.ledger.settle(real, used, used)
        sums = [(counter.settled, counter.held) for counter in real.counters]
        assert self.ledger.settle(real, used + 1, used + 1) is first, "a settlement is changed"
        self.ledger.release(real)
        again = [(counter.settled, counter.held) for counter in real.counters]
        assert again == sums, "a call is charged twice"
        del holds[position]
        return self._same(state.now_s, holds, _Model(self.world, state).settle(hold, used))

    def _release(self, state: State, hold: HoldState) -> State:
        holds = self._thaw(state)
        position = state.holds.index(hold)
        real = holds[position][1]
        self.ledger.release(real)
        self.ledger.settle(real, 1, 1)
        del holds[position]
        return self._same(state.now_s, holds, _Model(self.world, state).release(hold))

    def _expire(self, state: State) -> State:
        holds = self._thaw(state)
        self.ledger.expire(state.now_s)
        return self._same(state.now_s, holds, _Model(self.world, state).expire(state.now_s))

    def _thaw(self, state: State) -> list[tuple[int, Hold]]:
        """Set the ledger to a state. Returns its holds, in the order of the state's."""
        known: dict[tuple[int, int], Counter] = {}
        for account, start_s, settled, held, excess in state.counters:
            window = self.world.budgets[account].window
            counter = known[account, start_s] = Counter(start_s, window.span_at(start_s)[1])
            counter.settled, counter.held, counter.excess = settled, held, excess
            self.accounts[account].counter = counter  # the latest span comes last
        holds: list[tuple[int, Hold]] = []
        for number, one in enumerate(state.holds):
            call, picos, tokens, is_expired, expires_s, starts_s = one
            kind = self.world.calls[call]
            counters = [known[pair] for pair in zip(kind.budgets, starts_s, strict=True)]
            hold = Hold(number, self.scopes[call], counters, picos, tokens, expires_s)
            hold.state = "expired" if is_expired else "open"
            holds.append((call, hold))
        opened = sorted(
            (one.expires_s, one.hold_id, one) for _, one in holds if one.state == "open"
        )
        ledger = self.ledger
        ledger._open = OrderedDict((number, hold) for _, number, hold in opened)
        ledger._last_id = len(holds)
        ledger._latest_s = 0
        ledger._look_at_s = opened[0][0] if opened else 0
        return holds

    def _sums(self, holds: list[tuple[int, Hold]]) -> tuple[CounterState, ...]:
        """The counters that count now, and those that holds refer to."""
        known = {
            (n, account.counter.start_s): account.counter for n, account in enumerate(self.accounts)
        }
        for call, hold in holds:
            for n, counter in zip(self.world.calls[call].budgets, hold.counters, strict=True):
                known[n, counter.start_s] = counter
        return tuple(
            CounterState(n, start_s, counter.settled, counter.held, counter.excess)
            for (n, start_s), counter in sorted(known.items())
        )

    def _same(self, now_s: int, holds: list[tuple[int, Hold]], model: _Model) -> State:
        """The ledger's state, which must be the model's."""
        frozen = [
            HoldState(
                call,
                hold.picos,
                hold.tokens,
                hold.state == "expired",
                hold.expires_s,
                tuple(counter.start_s for counter in hold.counters),
            )
            for call, hold in holds
        ]
        state = State(now_s, self._sums(holds), tuple(sorted(frozen)))
        expected = model.state()
        assert state == expected, f"the ledger says {state}, its holds and rows {expected}"
        return state


class _Model:
    """The same in the plainest way: rows are added up, and open holds."""

    def __init__(self, world: World, state: State) -> None:
        self.world = world
        self.now_s = state.now_s
        self.rows = {
            (one.account, one.start_s): (one.settled, one.excess) for one in state.counters
        }
        self.latest = {one.account: one.start_s for one in state.counters}
        self.holds = list(state.holds)

    def expire(self, now_s: int) -> _Model:
        self.holds = [
            hold._replace(is_expired=True) if hold.expires_s <= now_s else hold
            for hold in self.holds
        ]
        return self

    def reserve(self, call: int, *, is_rest: bool) -> bool:
        kind = self.world.calls[call]
        wanted = {"money": kind.picos, "tokens": kind.tokens}
        for n in kind.budgets:
            budget = self.world.budgets[n]
            start_s = budget.window.span_at(self.now_s)[0]
            if start_s != self.latest[n]:
                self.latest[n] = start_s
                self.rows[n, start_s] = 0, 0
            settled, held = self.rows[n, start_s][0], self._held(n, start_s)
            if wanted[budget.unit] and settled + held + wanted[budget.unit] > budget.limit:
                if not is_rest or held or budget.is_strict or settled >= budget.limit:
                    return False
                wanted[budget.unit] = budget.limit - settled
        starts_s = tuple(self.latest[n] for n in kind.budgets)
        expires_s = self.now_s + self.world.lifetime_s
        amounts = wanted["money"], wanted["tokens"]
        self.holds.append(HoldState(call, *amounts, False, expires_s, starts_s))
        return True

    def settle(self, hold: HoldState, used: int) -> _Model:
        self.holds.remove(hold)
        for n, start_s in zip(self.world.calls[hold.call].budgets, hold.starts_s, strict=True):
            settled, excess = self.rows[n, start_s]
            paid = 0 if hold.is_expired else self._amount(n, hold)
            self.rows[n, start_s] = settled + used, excess + max(0, used - paid)
        return self

    def release(self, hold: HoldState) -> _Model:
        self.holds.remove(hold)
        return self

    def state(self) -> State:
        referred = {
            pair
            for hold in self.holds
            for pair in zip(self.world.calls[hold.call].budgets, hold.starts_s, strict=True)
        }
        counters = [
            CounterState(n, start_s, settled, self._held(n, start_s), excess)
            for (n, start_s), (settled, excess) in sorted(self.rows.items())
            if start_s == self.latest[n] or (n, start_s) in referred
        ]
        return State(self.now_s, tuple(counters), tuple(sorted(self.holds)))

    def _amount(self, budget: int, hold: HoldState) -> int:
        return hold.picos if self.world.budgets[budget].unit == "money" else hold.tokens

    def _held(self, budget: int, start_s: int) -> int:
        held = 0
        for hold in self.holds:
            if not hold.is_expired:
                pairs = zip(self.world.calls[hold.call].budgets, hold.starts_s, strict=True)
                held += (budget, start_s) in pairs and self._amount(budget, hold)
        return held


def _budget(
    scope: str, limit: int, window: str | None = None, unit: Unit = "money", *, strict: bool = False
) -> Budget:
    return Budget(scope, unit, limit, Window.parse(window), None, strict)


SMALL = World(
    budgets=(_budget("key:a", 3, "2s"), _budget("global", 4)),
    calls=(CallKind((0, 1), 2, 0, (0, 1, 3)), CallKind((1,), 1, 0, (1,))),
    most_holds=2,
    last_s=3,
    lifetime_s=2,
)
"""A key's budget that starts anew every two seconds, below one for all that never does."""

UNITS = World(
    budgets=(
        _budget("key:a", 3, strict=True),
        _budget("team:t", 4, "2s", "tokens"),
        _budget("global", 4),
    ),
    calls=(CallKind((0, 1, 2), 1, 2, (1, 2)), CallKind((1, 2), 2, 1, (0, 2))),
    most_holds=2,
    last_s=2,
    lifetime_s=1,
)
"""Money and tokens, and three scopes, of which one is strict."""

LARGE = (
    World(
        budgets=(_budget("key:a", 5, "2s"), _budget("key:b", 6), _budget("global", 9)),
        calls=(CallKind((0, 2), 2, 0, (1, 3)), CallKind((1, 2), 3, 0, (2, 4))),
        most_holds=3,
        last_s=4,
        lifetime_s=2,
    ),
    World(
        budgets=(
            _budget("key:a", 5),
            _budget("team:t", 7, "2s", "tokens"),
            _budget("global", 8, strict=True),
        ),
        calls=(CallKind((0, 1, 2), 2, 1, (0, 3)), CallKind((1, 2), 1, 3, (1, 2))),
        most_holds=3,
        last_s=4,
        lifetime_s=2,
    ),
)


def _explore(world: World) -> Explored[State]:
    gc.disable()  # millions of tuples, and no cycles
    return LedgerWorld(world).explore()


def main() -> int:
    """Visit the states of all large worlds, two at a time."""
    began_s, states = time.monotonic(), 0
    with ProcessPoolExecutor(max_workers=2) as pool:
        for explored in pool.map(_explore, LARGE):
            states += explored.states
            print(f"{explored.states:,} states, {explored.steps:,} steps, depth {explored.depth}")
    print(f"{states:,} distinct states in {time.monotonic() - began_s:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
