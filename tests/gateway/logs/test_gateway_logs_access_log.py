"""Lines of requests wait for each other, and all are written at the end."""

from __future__ import annotations

import asyncio
import logging

import pytest
from tests.support.clock import FakeClock

from puna.gateway.logs.access_log import AccessLog
from puna.gateway.visit import Visit, Visits


@pytest.mark.anyio
async def test_lines_of_requests_wait_for_each_other_and_are_written_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    log, clock = AccessLog(), FakeClock()
    visits = Visits(None, log, (), clock)
    log.open(asyncio.get_running_loop())

    def answered(line: str, status: int) -> None:
        visit = Visit(visits, line, "id", clock.monotonic(), clock.now())
        clock.sleep(status / 100_000)
        visit.close(status)

    answered("GET /a", 200)
    answered("POST /b", 404)
    assert caplog.messages == []
    log.close()
    assert caplog.messages == ["GET /a 200 2.0 ms", "POST /b 404 4.0 ms"]
    answered("GET /c", 300)
    assert caplog.messages[2:] == ["GET /c 300 3.0 ms"]
