"""One line a request. They are written in batches, away from the answers."""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

from puna.errors import APIError
from puna.gateway.error_source import error_source
from puna.gateway.logs.lines import log_together
from puna.telemetry.events import Outcome
from puna.types.report import CallReport

_log = logging.getLogger("puna.gateway")

BATCH_S: Final = 0.25
"""The longest time a line waits. Lines of that time are lost when the process is killed."""

BATCH_LINES: Final = 64
"""So many are written at once: more would hold up the answers of that moment."""


CLIENT_LEFT: Final = 499
"""The status of a call whose client left."""

_SERVER_ERROR: Final = 500


class ClosedVisit(Protocol):
    """What the access log needs to know of a visit that has ended."""

    line: str
    started_at: float
    status: int
    spent_s: float
    reports: tuple[tuple[CallReport, Outcome], ...]


def request_line(visit: ClosedVisit) -> str:
    """The access log's line of a visit: `POST /path 200 1.2 ms name -> provider/model`.

    The model is that of the visit's first call, if it made one.
    """
    line = f"{visit.line} {visit.status} {visit.spent_s * 1000:.1f} ms"
    if not visit.reports:
        return line
    report = visit.reports[0][0]
    if not report.provider:  # nobody was asked
        return line
    return f"{line} {report.model} -> {report.provider}/{report.upstream_model}"


def log_refusal(what: str, error: APIError) -> None:
    """Log why a request was refused, unless the request itself was wrong."""
    if error.status_code >= _SERVER_ERROR or error_source(error) == "upstream":
        _log.warning("%s: %s", what, error)


class AccessLog:
    """Collects lines of the access log and writes several at once, each with its own time.

    Without an event loop, whose timer writes them, each line is written at once.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[ClosedVisit] = []
        self._timer: asyncio.TimerHandle | None = None

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start batching: from now on a timer of `loop` writes the lines. Called at startup."""
        self._loop = loop

    def add(self, visit: ClosedVisit) -> None:
        """Log a visit that has ended."""
        waiting = self._waiting
        waiting.append(visit)
        if len(waiting) >= BATCH_LINES or self._loop is None:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(BATCH_S, self.flush)

    def close(self) -> None:
        """Write the batched lines, and from now on each line at once.

        Called before the loop ends.
        """
        self._loop = None
        self.flush()

    def flush(self) -> None:
        """Write the batched lines now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        if waiting and _log.isEnabledFor(logging.INFO):
            log_together(
                _log, [(one.started_at + one.spent_s, request_line(one)) for one in waiting]
            )
