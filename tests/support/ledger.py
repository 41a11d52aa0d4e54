"""A small ledger of tokens: what the gateway's admission is tested with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field

from puna.errors import BudgetExceededError
from puna.gateway.visit import Hold, Visit
from puna.telemetry.events import Outcome
from puna.types.report import CallReport


@dataclass
class Held:
    """A reservation of one visit."""

    ledger: Ledger
    tokens: int

    def settle(self, visit: Visit) -> None:
        """End it by the reports of its visit."""
        self.ledger.held -= self.tokens
        self.ledger.settled.append(visit)
        for report, _ in visit.reports:
            self.ledger.spent += report.prompt_tokens + report.completion_tokens


@dataclass
class Ledger:
    """Reserves the most that a visit may use, and settles it at its end. It is a meter, too.

    Attributes:
        refuses: whether everybody has spent all.
        store: an event that each decision waits for; without one it is made at once.
        admitted, settled, closed: the visits, in order.
        held, spent: tokens.
        noted: the reports of calls.
    """

    refuses: bool = False
    store: asyncio.Event | None = None
    admitted: list[Visit] = field(default_factory=list[Visit])
    settled: list[Visit] = field(default_factory=list[Visit])
    closed_visits: list[Visit] = field(default_factory=list[Visit])
    noted: list[tuple[CallReport, Outcome]] = field(
        default_factory=list[tuple[CallReport, Outcome]]
    )
    held: int = 0
    spent: int = 0

    def admit(self, visit: Visit) -> Hold | Awaitable[Hold | None]:
        """Reserve, at once or when the store says so."""
        self.admitted.append(visit)
        return self._reserve(visit) if self.store is None else self._ask(self.store, visit)

    async def _ask(self, store: asyncio.Event, visit: Visit) -> Hold:
        await store.wait()
        return self._reserve(visit)

    def _reserve(self, visit: Visit) -> Hold:
        if self.refuses:
            raise BudgetExceededError("The budget of this key is spent.")
        tokens = visit.bound.most_tokens or 0
        self.held += tokens
        return Held(self, tokens)

    def note(self, report: CallReport, outcome: Outcome) -> None:
        """Count a call."""
        self.noted.append((report, outcome))

    def closed(self, visit: Visit) -> None:
        """Count a visit."""
        self.closed_visits.append(visit)
