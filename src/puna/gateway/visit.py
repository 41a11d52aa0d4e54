"""The scope of one request of a client, from the key to the last byte of the answer.

A visit is *open* from the moment the server has read the head of a request. It is *admitted* when
the admission has let it in, which may take a reservation: a hold. It is *closed* when the answer is
out or cannot get out any more: the answer is complete, the request was refused, the client left,
the server stopped, or something failed that nobody foresaw. What always holds:

- Nothing is sent to a host for a visit that is not admitted.
- A visit is closed exactly once, and then the hold is settled, and each meter hears of it.
- A hold that comes after the visit was closed, because the client left while a store was asked, is
  settled as well.
- Every call of the visit reports to it (`note`) before the visit is closed.

There are two doors: `gateway/app.py` for requests over ASGI and `gateway/fast_cycle.py` for the
fast lane. Each opens, admits and closes; both do it with the methods here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

from puna.engine.asks import Ask, ask_of
from puna.engine.call import Call
from puna.engine.clock import Clock
from puna.errors import APIError
from puna.gateway.access_log import AccessLog, warn_of
from puna.governance.keys import UNKNOWN, Principal
from puna.telemetry.events import Outcome
from puna.telemetry.meters import Meter
from puna.types.report import CallReport

_log = logging.getLogger("puna.gateway")


class Hold(Protocol):
    """What an admission has reserved for one visit."""

    def settle(self, visit: Visit) -> None:
        """End the reservation by what the visit's reports say. Called exactly once."""
        ...


class Admission(Protocol):
    """Decides on each visit that will cost something, before anything is sent."""

    def admit(self, visit: Visit) -> Hold | Awaitable[Hold | None] | None:
        """Let a visit in: with a hold, or with None where nothing is reserved.

        `visit.principal` says who asks, `visit.ask` for how much at most. An awaitable is for a
        decision that a store must make; who can decide at once returns at once.

        Raises:
            APIError: the refusal, as the client gets it. The awaitable may raise it, too.
        """
        ...


class VisitMeter(Meter, Protocol):
    """A meter that hears of whole visits, too."""

    def closed(self, visit: Visit) -> None:
        """Count a visit that has ended, with its status and all of its reports."""
        ...


class Asked(Protocol):
    """What a visit is about to do."""

    @property
    def calls(self) -> Sequence[Call[Any]]:
        """The calls that it will make."""
        ...


class Visits:
    """What all visits of a worker share."""

    __slots__ = ("_late", "access_log", "admission", "clock", "meters")

    def __init__(
        self,
        admission: Admission | None,
        access_log: AccessLog,
        meters: Sequence[VisitMeter],
        clock: Clock,
    ) -> None:
        """Without an `admission` everybody is let in who has a right key."""
        self.admission = admission
        self.access_log = access_log
        self.meters = tuple(meters)
        self.clock = clock
        self._late: set[asyncio.Task[None]] = set()

    def wait(self, visit: Visit, coming: Awaitable[Hold | None]) -> asyncio.Task[None]:
        """Wait for the hold of a visit in a task, which nobody need await."""
        task = asyncio.get_running_loop().create_task(visit.receive(coming))
        self._late.add(task)  # the loop itself keeps only a weak reference to a task
        task.add_done_callback(self._decided)
        return task

    def _decided(self, task: asyncio.Task[None]) -> None:
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # where the visit is closed nobody else looks at it

    async def close(self, limit_s: float) -> None:
        """Wait some seconds for holds that are still to come, so that they are settled."""
        if self._late:
            await asyncio.wait(self._late, timeout=limit_s)


class Visit:
    """One request of a client.

    Attributes:
        line: method and path, as they may stand in a log.
        endpoint: the name of the endpoint's row; empty until it is found.
        principal: who asks.
        call_id: of the request, which the client may have given.
        started_s, started_at: when it began, by the monotonic clock and as Unix time.
        status: of the answer; 0 while the visit is open.
        spent_s: how long it took; 0 while it is open.
        reports: how each of its calls went, with the outcome. A visit may make none or hundreds.
    """

    __slots__ = (
        "_asked",
        "_hold",
        "_is_coming",
        "_visits",
        "call_id",
        "endpoint",
        "line",
        "principal",
        "reports",
        "spent_s",
        "started_at",
        "started_s",
        "status",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - by position, which is quicker: each request makes one
        self,
        visits: Visits,
        line: str,
        call_id: str,
        started_s: float,
        started_at: float,
        principal: Principal = UNKNOWN,
        endpoint: str = "",
    ) -> None:
        self._visits = visits
        self.line = line
        self.call_id = call_id
        self.started_s = started_s
        self.started_at = started_at
        self.principal = principal
        self.endpoint = endpoint
        self.status = 0
        self.spent_s = 0.0
        self.reports: tuple[tuple[CallReport, Outcome], ...] = ()
        self._asked: Asked | None = None
        self._hold: Hold | None = None
        self._is_coming = False

    @property
    def ask(self) -> Ask:
        """What is asked, and how much it may use at most. Computed anew each time."""
        assert self._asked is not None, "admit() says it"  # noqa: S101 - the contract
        return ask_of(self._asked.calls)

    def admit(self, asked: Asked) -> asyncio.Task[None] | None:
        """Ask the admission about these calls; None where the visit is let in.

        A task is still to decide: the visit is let in when it ends, unless it raises the refusal.

        Raises:
            APIError: the refusal.
        """
        admission = self._visits.admission
        if admission is None:
            return None
        self._asked = asked
        hold = admission.admit(self)
        if isinstance(hold, Awaitable):
            self._is_coming = True
            return self._visits.wait(self, hold)
        self._hold = hold
        return None

    async def receive(self, coming: Awaitable[Hold | None]) -> None:
        """Wait for a hold and keep it until the visit is closed; where it is closed, settle it."""
        try:
            hold = await coming
        except APIError:
            raise
        except Exception:
            _log.exception("The admission of a request failed")
            raise
        finally:
            self._is_coming = False
            if self.status:
                self._asked = None
        if self.status and hold is not None:
            self._settle(hold)
        else:
            self._hold = hold

    def note(self, report: CallReport, outcome: Outcome) -> None:
        """Count a call of this visit (see `Meter`)."""
        if self.status:
            _log.error("The call `%s` ended after its request was closed", report.call_id)
        noted: tuple[CallReport, Outcome] = report, outcome
        self.reports += (noted,)
        for meter in self._visits.meters:
            try:
                meter.note(report, outcome)
            except Exception:  # noqa: BLE001 - what counts a call must not break it
                _log.exception("A call could not be counted")

    def close(self, status: int, error: APIError | None = None) -> None:
        """End the visit. `error` is why it was refused, if it was. Another closing does nothing."""
        if self.status:
            return
        self.status = status
        visits = self._visits
        monotonic = visits.clock.monotonic
        self.spent_s = monotonic() - self.started_s
        if error is not None:
            warn_of(self.line, error)
        if self._asked is not None:
            if not self._is_coming:
                self._asked = None  # it may refer to this visit: no work for the collector
            hold, self._hold = self._hold, None
            if hold is not None:
                self._settle(hold)
        for meter in visits.meters:
            try:
                meter.closed(self)
            except Exception:  # noqa: BLE001 - the others must count all the same
                _log.exception("A request could not be counted")
        visits.access_log.add(self)

    def _settle(self, hold: Hold) -> None:
        try:
            hold.settle(self)
        except Exception:  # noqa: BLE001 - the meters must count all the same
            _log.exception("What a request had reserved could not be settled")
