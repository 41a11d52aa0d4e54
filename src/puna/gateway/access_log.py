"""One line a request. They are written in batches, away from the answers."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from puna.errors import APIError
from puna.gateway.logs import inform
from puna.gateway.replies import error_source
from puna.types.report import CallReport

_log = logging.getLogger("puna.gateway")

BATCH_S: Final = 0.25
"""The longest time a line waits. Lines of that time are lost when the process is killed."""

BATCH_LINES: Final = 64
"""So many are written at once: more would hold up the answers of that moment."""


CLIENT_LEFT: Final = 499
"""The status of a call whose client left."""

_SERVER_ERROR: Final = 500


def request_line(
    method: str, path: str, status: int, spent_s: float, report: CallReport | None
) -> str:
    """`POST /path 200 1.2 ms name -> provider/model`."""
    line = f"{method} {path} {status} {spent_s * 1000:.1f} ms"
    if report is None:
        return line
    return f"{line} {report.model} -> {report.provider}/{report.upstream_model}"


def warn_of(what: str, error: APIError) -> None:
    """Say why a request was refused, where that is not its own fault."""
    if error.status_code >= _SERVER_ERROR or error_source(error) == "upstream":
        _log.warning("%s: %s", what, error)


class AccessLog:
    """Keeps what is to be told and writes it together, each line with its own time.

    Without a loop, whose timer writes what waits, each line is written at once.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop
        self._waiting: list[tuple[float, str, str, int, float, CallReport | None]] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(
        self,
        at: float,
        method: str,
        path: str,
        status: int,
        spent_s: float,
        report: CallReport | None,
    ) -> None:
        """Note a request that was answered at a Unix time."""
        waiting = self._waiting
        waiting.append((at, method, path, status, spent_s, report))
        if len(waiting) >= BATCH_LINES or self._loop is None:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(BATCH_S, self.flush)

    def close(self) -> None:
        """Write what waits, and from now on each line at once: the loop is about to end."""
        self._loop = None
        self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        if waiting and _log.isEnabledFor(logging.INFO):
            inform(
                _log,
                [
                    (at, request_line(method, path, status, spent_s, report))
                    for at, method, path, status, spent_s, report in waiting
                ],
            )
