"""A visit waits for what others hold, where its budget would pay then; and in the order it came."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from tests.gateway.test_gateway_admission import config_of
from tests.support.asgi import directory_of
from tests.support.clock import FakeClock

from puna.engine.call import Call
from puna.engine.usage_bounds import PlannedGroup, group_by_model
from puna.errors import BudgetExceededError, ConfigError
from puna.gateway.admission import BudgetAdmission
from puna.gateway.budget_rules import BudgetRules
from puna.gateway.logs.access_log import AccessLog
from puna.gateway.visit import Visit, Visits
from puna.gateway.workers.settings import ServeOptions, check_budgets
from puna.governance.budgets import Budget
from puna.governance.keys import Principal
from puna.governance.windows import Window
from puna.types.report import CallReport
from puna.types.requests import make_chat_request

EVER = Window.parse(None)
PLAN = directory_of(config_of("")).plan("m")


@dataclass(frozen=True)
class Planned:
    """A request for an answer of so many tokens."""

    max_tokens: int

    @property
    def usage(self) -> Sequence[PlannedGroup]:
        """What its one call is going to use."""
        fields = {"max_tokens": self.max_tokens}
        said = [{"role": "user", "content": "hi"}]
        return group_by_model([Call(make_chat_request("m", said, fields), PLAN)])


def planned_for(tokens: int) -> Planned:
    """A request that may use so many tokens, those of its prompt included."""
    (fitting,) = [
        one
        for one in map(Planned, range(max(1, tokens - 250), tokens))
        if one.usage[0].bound().most_tokens == tokens
    ]
    return fitting


class Gate:
    """An admission with one budget of tokens, and visits that come to it."""

    def __init__(
        self, *budgets: Budget, wait_s: float = 60, principal: Principal | None = None
    ) -> None:
        self.admission = BudgetAdmission(FakeClock())
        self.admission.configure(BudgetRules(common=budgets, wait_s=wait_s))
        self._visits = Visits(self.admission, AccessLog(), (), FakeClock())
        self._principal = principal or Principal("k")

    def come(self, tokens: int) -> tuple[Visit, asyncio.Task[None] | None]:
        """A visit that may use so many tokens. With a task it waits."""
        visit = Visit(self._visits, "POST /x", "id", 0.0, 0.0, self._principal)
        return visit, visit.admit(planned_for(tokens))

    def end(self, visit: Visit, tokens: int) -> None:
        """The visit has used so many."""
        report = CallReport("id", model="m", completion_tokens=tokens)
        visit.note(report, "success")
        visit.close(200)

    @property
    def held(self) -> list[int]:
        """What each open hold has reserved."""
        return [hold.tokens for hold in self.admission.ledger.open_holds]


def tokens(limit: int, scope: str = "global", **other: Any) -> Budget:
    return Budget(scope, "tokens", limit, EVER, **other)


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_visit_waits_until_others_gave_back_enough() -> None:
    async def run() -> None:
        gate = Gate(tokens(1_000))
        (first, at_once), (second, waits), (third, too) = (gate.come(600) for _ in range(3))
        assert at_once is None
        assert waits is not None
        assert too is not None
        await turn()
        assert (gate.held, gate.admission.waiting) == ([600], 2)
        gate.end(first, 100)
        await turn()
        assert (gate.held, waits.done(), too.done()) == ([600], True, False)
        gate.end(second, 300)
        await too
        assert gate.held == [600]
        gate.end(third, 700)
        with pytest.raises(BudgetExceededError, match="Current tokens: 1100, Max tokens: 1000"):
            gate.come(300)

    asyncio.run(run())


def test_the_last_of_a_budget_is_held_by_one_visit_alone() -> None:
    async def run() -> None:
        gate = Gate(tokens(1_000))
        first, _ = gate.come(900)
        second, waits = gate.come(900)
        assert waits is not None
        gate.end(first, 800)
        await waits
        assert gate.held == [200]
        _, too = gate.come(300)
        assert too is not None
        gate.end(second, 200)
        with pytest.raises(BudgetExceededError):
            await too
        assert (gate.held, gate.admission.waiting) == ([], 0)

    asyncio.run(run())


def test_a_strict_budget_is_never_held_in_part() -> None:
    async def run() -> None:
        gate = Gate(tokens(1_000, is_strict=True))
        first, _ = gate.come(900)
        _, waits = gate.come(300)
        assert waits is not None
        with pytest.raises(BudgetExceededError):
            gate.come(1_001)
        gate.end(first, 701)
        with pytest.raises(BudgetExceededError, match="this request may use 300 tokens"):
            await waits

    asyncio.run(run())


def test_nobody_waits_longer_than_is_configured() -> None:
    async def run() -> None:
        gate = Gate(tokens(1_000), wait_s=0.001)
        gate.come(600)
        _, waits = gate.come(600)
        assert waits is not None
        with pytest.raises(BudgetExceededError, match="calls under way hold 600 tokens"):
            await waits
        assert gate.admission.waiting == 0
        at_once = Gate(tokens(1_000), wait_s=0)
        at_once.come(600)
        with pytest.raises(BudgetExceededError, match="calls under way hold 600 tokens"):
            at_once.come(600)

    asyncio.run(run())


def test_a_visit_whose_client_left_while_it_waited_holds_nothing() -> None:
    async def run() -> None:
        gate = Gate(tokens(1_000))
        first, _ = gate.come(600)
        gone, waits = gate.come(600)
        assert waits is not None
        await turn()
        gone.close(499)
        gate.end(first, 10)
        await waits
        assert (gate.held, gate.admission.waiting) == ([], 0)

    asyncio.run(run())


def test_a_visit_that_is_ended_while_it_waits_gives_back_what_it_was_given() -> None:
    async def run() -> None:
        gate = Gate(tokens(1_000))
        first, _ = gate.come(600)
        _, waits = gate.come(600)
        assert waits is not None
        await turn()
        gate.end(first, 10)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        assert (gate.held, gate.admission.waiting) == ([], 0)

    asyncio.run(run())


def test_the_budgets_of_a_principal_count_beside_those_of_all(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run() -> None:
        mine = tokens(500, "key:abc", soft_limit=100)
        gate = Gate(tokens(10_000), principal=Principal("k", (mine, tokens(800, "team:t"))))
        visit, _ = gate.come(400)
        gate.end(visit, 350)
        with caplog.at_level(logging.WARNING, "puna.gateway"):
            last, _ = gate.come(400)
            assert gate.held == [150]
            gate.end(last, 150)
        with pytest.raises(BudgetExceededError, match="that of `key:abc`"):
            gate.come(400)
        for budget, used in ((mine, 500), (tokens(10_000), 500), (tokens(800, "team:t"), 500)):
            assert gate.admission.ledger.usage(budget, 0).settled == used

    asyncio.run(run())


def test_several_workers_would_spend_a_budget_several_times_and_are_refused() -> None:
    for settings in ("max_budget: 1", "model_max_budget: {m: {max_tokens_budget: 5}}"):
        directory = directory_of(config_of(settings))
        check_budgets(ServeOptions(), directory)
        with pytest.raises(ConfigError, match="would spend each of them as many times"):
            check_budgets(ServeOptions(num_workers=2), directory)
    check_budgets(ServeOptions(num_workers=2), directory_of(config_of("")))


@pytest.mark.parametrize(
    "settings", ["max_budget: 1e13", "max_budget: 1, budget_duration: 999999999d"]
)
def test_a_budget_that_cannot_be_used_is_an_error_of_the_configuration(settings: str) -> None:
    with pytest.raises(ConfigError, match="The budget of `global`: "):
        check_budgets(ServeOptions(), directory_of(config_of(settings)))
