"""The scope of one request of a client, from the key to the last byte of the answer.

A visit is *open* from the moment the server has read the head of a request. It is *admitted* when
the admission has accepted it, perhaps with a hold: a reservation of money or tokens. It is *closed*
when nothing more can be sent to the client: the answer is complete, the request was refused, the
client left, the server stopped, or something failed that nobody foresaw. What always holds:

- Nothing is sent to a host for a visit that is not admitted.
- A visit is closed exactly once. Then its hold is settled, and each meter is called.
- The client may leave while a store decides on the admission. A hold that comes after the visit
  was closed is settled when it comes.
- Every call of the visit reports to it (`note`) before the visit is closed.

Two modules open visits, have them admitted, and close them, all with the methods here:
`app.py` for requests over ASGI, and `passing/lane.py` with `passing/cycle.py` for those of the
fast lane.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import Protocol

from puna.engine.clock import Clock
from puna.engine.usage_bounds import PlannedUsage, UsageBound, combine_bounds
from puna.errors import APIError
from puna.gateway.logs.access_log import AccessLog, log_refusal
from puna.governance.keys import UNKNOWN, Principal
from puna.telemetry.events import Outcome
from puna.telemetry.meters import Meter
from puna.types.report import CallReport

_log = logging.getLogger("puna.gateway")


class Hold(Protocol):
    """What an admission has reserved for one visit."""

    def settle(self, visit: Visit) -> None:
        """End the reservation: charge what the visit's reports say. Called exactly once."""
        ...


class Admission(Protocol):
    """Decides before anything is sent whether a visit that will cost something may go on."""

    def admit(self, visit: Visit) -> Hold | Awaitable[Hold | None] | None:
        """Accept a visit: return its hold, or None where nothing is reserved.

        `visit.principal` says who asks, `visit.bound` how much the visit may use at most. Return an
        awaitable only where a store must be asked.

        Raises:
            APIError: the refusal, as the client gets it. The awaitable may raise it, too.
        """
        ...


class VisitMeter(Meter, Protocol):
    """A meter that also counts whole visits."""

    def closed(self, visit: Visit) -> None:
        """Count a visit that has ended, with its status and all of its reports."""
        ...


class PlannedCalls(Protocol):
    """What a visit is to be admitted for."""

    @property
    def usage(self) -> Sequence[PlannedUsage]:
        """What its calls are going to use, one for each model that they ask for."""
        ...


class Visits:
    """What all visits of a worker share: admission, log, meters and clock. It opens visits."""

    __slots__ = ("_late", "access_log", "admission", "clock", "meters")

    def __init__(
        self,
        admission: Admission | None,
        access_log: AccessLog,
        meters: Sequence[VisitMeter],
        clock: Clock,
    ) -> None:
        """Without an `admission` every visit with a valid key is accepted."""
        self.admission = admission
        self.access_log = access_log
        self.meters = tuple(meters)
        self.clock = clock
        self._late: set[asyncio.Task[None]] = set()

    def wait(self, visit: Visit, coming: Awaitable[Hold | None]) -> asyncio.Task[None]:
        """Start a task that waits for the hold of a visit. The caller need not await it."""
        task = asyncio.get_running_loop().create_task(visit.receive_hold(coming))
        self._late.add(task)  # the loop itself keeps only a weak reference to a task
        task.add_done_callback(self._wait_ended)
        return task

    def _wait_ended(self, task: asyncio.Task[None]) -> None:
        """The task of `wait` has ended: forget it, and mark its exception as retrieved."""
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # mark it as seen: nobody else does once the visit is closed

    async def close(self, limit_s: float) -> None:
        """Wait up to `limit_s` seconds for holds still to come, so that they are settled."""
        if self._late:
            await asyncio.wait(self._late, timeout=limit_s)


class Visit:
    """One request of a client.

    Attributes:
        line: method and path, in the form that may be logged.
        endpoint: the name of the endpoint's row; empty until the row is found.
        principal: who asks.
        call_id: the id of the request, perhaps given by the client.
        started_s, started_at: when the visit began, by the monotonic clock and as Unix time.
        status: the HTTP status of the answer; 0 while the visit is open.
        spent_s: how long the visit took; 0 while it is open.
        reports: the report and outcome of each call that ended; there may be none or hundreds.
    """

    __slots__ = (
        "_hold",
        "_is_coming",
        "_planned",
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
        self._planned: PlannedCalls | None = None
        self._hold: Hold | None = None
        self._is_coming = False

    @property
    def usage(self) -> Sequence[PlannedUsage]:
        """What the visit is going to use, one for each model; it is to be admitted for that."""
        assert self._planned is not None, "admit() sets it"  # noqa: S101 - the contract
        return self._planned.usage

    @property
    def bound(self) -> UsageBound:
        """What the admitted calls may use at most. Computed anew each time."""
        usage = self.usage
        return combine_bounds(usage[0].model, (one.bound() for one in usage))

    def admit(self, planned: PlannedCalls) -> asyncio.Task[None] | None:
        """Have the visit admitted for these calls. Called once, before anything is sent.

        Returns None where the visit is admitted; or a task where a store is asked: the visit is
        admitted when the task ends, unless the task raises the refusal.

        Raises:
            APIError: the refusal.
        """
        admission = self._visits.admission
        if admission is None:
            return None
        self._planned = planned
        hold = admission.admit(self)
        if isinstance(hold, Awaitable):
            self._is_coming = True
            return self._visits.wait(self, hold)
        self._hold = hold
        return None

    async def receive_hold(self, coming: Awaitable[Hold | None]) -> None:
        """Wait for a hold and keep it; settle it at once where the visit is closed by then."""
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
                self._planned = None
        if self.status and hold is not None:
            self._settle(hold)
        else:
            self._hold = hold

    def note(self, report: CallReport, outcome: Outcome) -> None:
        """Add the report of a call that has ended, and have the meters count it."""
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
        """Close the visit: settle its hold, call the meters, write its line to the log.

        `status` is that of the answer; `error` is why the request was refused, if it was. Closing
        a closed visit does nothing.
        """
        if self.status:
            return
        self.status = status
        visits = self._visits
        monotonic = visits.clock.monotonic
        self.spent_s = monotonic() - self.started_s
        if error is not None:
            log_refusal(self.line, error)
        if self._planned is not None:
            if not self._is_coming:
                self._planned = None  # it may refer to this visit; break the reference cycle
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
        """Settle the hold. A failure is logged, so that the meters still count the visit."""
        try:
            hold.settle(self)
        except Exception:  # noqa: BLE001 - the meters must count all the same
            _log.exception("What a request had reserved could not be settled")
