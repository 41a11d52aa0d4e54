"""Admits visits by budgets: reserves before a host is asked, and settles when the visit is closed.

The budgets of a visit are those of the gateway, of the model, and of the principal. All calls of a
visit for one model have one hold, in all of these together.

How much is held: the bytes of the prompt, since a token is at least one, and the output limit of
the request; where it has none, `default_estimated_output_tokens`. Strict budgets count the model's
own limit instead, and refuse what nothing bounds. A call whose price is not known holds and costs
no money, or is refused (`unpriced_calls`); its tokens count all the same.

A visit that the budgets would pay if others gave back what they hold waits for that, in the order
of arrival and up to `budget_wait_s` seconds. One that is alone in a budget may hold the rest of it.
So a visit is refused at once only where its budget is spent, or strict and too small.

What is charged, by the certainty of each report: `exact`, what the host reported; `at_least`, what
was seen; `unknown`, the estimate, or nothing where there is none.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from puna.engine.clock import Clock
from puna.engine.usage_bounds import PlannedUsage
from puna.errors import BadRequestError, BudgetExceededError
from puna.gateway.budget_rules import BudgetRules
from puna.gateway.visit import Visit
from puna.governance.amounts import dollars
from puna.governance.budgets import Budget
from puna.governance.ledger import Hold, Ledger, Refusal, Scopes

_log = logging.getLogger("puna.gateway")

HOLD_LIFETIME_S: Final = 24 * 3_600
"""Seconds after which a hold is given up. Each visit settles its own; no call takes as long."""
_MOST_WAITING: Final = 1_024
_MOST_PREPARED: Final = 50_000


class _Part(NamedTuple):
    """What a visit reserves for one model."""

    model: str
    scopes: Scopes
    picos: int
    tokens: int


class _Holds:
    """The holds of a visit, one for each model."""

    __slots__ = ("_admission", "_held")

    def __init__(self, admission: BudgetAdmission, held: Sequence[tuple[str, Hold]]) -> None:
        self._admission = admission
        self._held = held

    def settle(self, visit: Visit) -> None:
        """Charge each hold what the reports of its model say."""
        first, ledger = self._held[0][0], self._admission.ledger
        of_each = {model: [0, 0] for model, _ in self._held}
        for report, _ in visit.reports:
            sums = of_each.get(report.model) or of_each[first]  # a fallback has another name
            sums[0] += report.cost_picos or 0
            sums[1] += report.prompt_tokens + report.completion_tokens
        for model, hold in self._held:
            picos, tokens = of_each[model]
            settlement = ledger.settle(hold, picos, tokens)
            for budget in settlement.soft_limits:
                _log.warning("The soft limit of the budget of `%s` is reached", budget.scope)
        self._admission.wake()

    def release(self) -> None:
        """Give everything back: the visit never began."""
        for _, hold in self._held:
            self._admission.ledger.release(hold)
        self._admission.wake()


class BudgetAdmission:
    """Admits the visits of a worker. The ledger stays when the configuration changes."""

    def __init__(self, clock: Clock) -> None:
        self.ledger = Ledger(HOLD_LIFETIME_S)
        self._clock = clock
        self._rules = BudgetRules()
        # The budgets are kept beside their scopes, so that no other tuple can have their id.
        self._prepared: dict[tuple[int, str], tuple[tuple[Budget, ...], Scopes]] = {}
        self._waiting: dict[asyncio.Future[_Holds], Sequence[_Part]] = {}
        self._unpriced: set[str] = set()

    @property
    def waiting(self) -> int:
        """How many visits wait for what others hold."""
        return len(self._waiting)

    def configure(self, rules: BudgetRules) -> None:
        """Admit by these rules from now on."""
        self._rules = rules
        self._prepared.clear()

    def admit(self, visit: Visit) -> _Holds | Awaitable[_Holds] | None:
        """Reserve what the visit may use, or wait for it; None where it has no budget.

        Raises:
            BudgetExceededError: a budget is spent.
            BadRequestError: nothing bounds a call under a strict budget, or its price is not known
                and such calls are refused.
        """
        parts = self._parts(visit)
        if not parts:
            return None
        got = self._reserve(parts)
        if isinstance(got, _Holds):
            return got
        if self._is_final(got) or len(self._waiting) >= _MOST_WAITING:
            raise self._error(got)
        # Registered now, not when the task runs: what is given back meanwhile must be seen.
        future: asyncio.Future[_Holds] = asyncio.get_running_loop().create_future()
        self._waiting[future] = parts
        return self._wait(future, got)

    def wake(self) -> None:
        """Something was given back: admit those who waited for it, in their order."""
        for future, parts in tuple(self._waiting.items()):
            got = self._reserve(parts)
            if isinstance(got, _Holds):
                future.set_result(got)
            elif self._is_final(got):
                future.set_exception(self._error(got))
            else:
                continue
            del self._waiting[future]

    async def _wait(self, future: asyncio.Future[_Holds], refusal: Refusal) -> _Holds:
        """Wait until `wake` decides, or raise the refusal after the configured time."""
        try:
            await asyncio.wait((future,), timeout=self._rules.wait_s)
            if not future.done():
                raise self._error(refusal)
            return future.result()
        except asyncio.CancelledError:
            if future.done() and future.exception() is None:
                future.result().release()
            raise
        finally:
            self._waiting.pop(future, None)

    def _parts(self, visit: Visit) -> list[_Part]:
        """What to reserve, for each model with a budget."""
        budgets = visit.principal.budgets
        rules = self._rules
        if not (budgets or rules.common or rules.of_models):
            return []
        parts: list[_Part] = []
        for planned in visit.usage:
            scopes = self._scopes(budgets, planned.model)
            if scopes.lines:
                parts.append(self._part(planned, scopes))
        return parts

    def _scopes(self, budgets: tuple[Budget, ...], model: str) -> Scopes:
        """The accounts of a principal and a model, which are looked up once."""
        of_model = self._rules.of_models.get(model, ())
        key = id(budgets), model if of_model else ""
        known = self._prepared.get(key)
        if known is None:
            if len(self._prepared) >= _MOST_PREPARED:
                self._prepared.clear()
            every = (*budgets, *of_model, *self._rules.common)
            known = budgets, self.ledger.scopes(every, int(self._clock.now()))
            self._prepared[key] = known
        return known[1]

    def _part(self, planned: PlannedUsage, scopes: Scopes) -> _Part:
        rules, model = self._rules, planned.model
        is_strict = any(line.budget.is_strict for line in scopes.lines)
        bound = planned.bound(None if is_strict else rules.answer_tokens)
        if bound.most_tokens is None:
            raise BadRequestError(
                "A strict budget pays only for what has a limit, and nothing limits this answer. "
                "Give `max_tokens`.",
                code="no_limit",
                param="max_tokens",
            )
        if bound.most_picos is None and scopes.has_money:
            self._note_unpriced(model)
        return _Part(model, scopes, bound.most_picos or 0, bound.most_tokens)

    def _note_unpriced(self, model: str) -> None:
        if self._rules.blocks_unpriced:
            raise BadRequestError(
                f"The price of `{model}` is not known, and calls without one are refused here. "
                "Give the deployment `input_cost_per_token` and `output_cost_per_token`.",
                code="unknown_price",
                param="model",
                fault="operator",
            )
        if model not in self._unpriced:
            self._unpriced.add(model)
            _log.warning(
                "The price of `%s` is not known: budgets of money do not count its calls, only "
                "those of tokens do. Give the deployment `input_cost_per_token` and "
                "`output_cost_per_token`, or refuse such calls with `unpriced_calls: block`",
                model,
            )

    def _reserve(self, parts: Sequence[_Part]) -> _Holds | Refusal:
        """Reserve all parts or none."""
        ledger, now_s = self.ledger, int(self._clock.now())
        held: list[tuple[str, Hold]] = []
        for part in parts:
            got = ledger.reserve(part.scopes, part.picos, part.tokens, now_s)
            if isinstance(got, Refusal):
                got = ledger.reserve_rest(part.scopes, part.picos, part.tokens, now_s)
            if isinstance(got, Refusal):
                for _, hold in held:
                    ledger.release(hold)
                return got
            held.append((part.model, got))
        return _Holds(self, held)

    def _is_final(self, refusal: Refusal) -> bool:
        """Whether the budget would not pay even if all holds were given back."""
        if self._rules.wait_s <= 0:
            return True
        budget = refusal.budget
        needed = refusal.asked if budget.is_strict else 1
        return refusal.settled + needed > budget.limit

    def _error(self, refusal: Refusal) -> BudgetExceededError:
        """The refusal as the client gets it; it begins with LiteLLM's words."""
        budget = refusal.budget
        if budget.unit == "money":
            settled, limit, held, asked = (
                f"{dollars(amount):f}"
                for amount in (refusal.settled, budget.limit, refusal.held, refusal.asked)
            )
            spent = f"Current cost: {settled}, Max budget: {limit}"
        else:
            held, asked = f"{refusal.held} tokens", f"{refusal.asked} tokens"
            spent = f"Current tokens: {refusal.settled}, Max tokens: {budget.limit}"
        if refusal.resets_s is None:
            after, pause_s = "It does not start anew: raise its limit.", None
        else:
            moment = datetime.fromtimestamp(refusal.resets_s, UTC).isoformat()
            after, pause_s = f"It starts anew at {moment}.", refusal.resets_s - self._clock.now()
        return BudgetExceededError(
            f"Budget has been exceeded! {spent}. The budget is that of `{budget.scope}`; calls "
            f"under way hold {held} of it, and this request may use {asked}. {after}",
            status_code=self._rules.status_code,
            retry_after_s=pause_s,
        )
