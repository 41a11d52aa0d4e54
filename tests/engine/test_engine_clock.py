"""The real clock."""

from __future__ import annotations

import asyncio

from puna.engine.clock import SystemClock


def test_the_real_clock_tells_time_and_makes_ids() -> None:
    clock = SystemClock()
    began_at = clock.monotonic()
    clock.sleep(0)
    asyncio.run(clock.sleep_async(0))
    assert clock.monotonic() >= began_at
    assert clock.now() > 1_700_000_000
    assert 0 <= clock.dice() < 1
    assert len({clock.make_id() for _ in range(100)}) == 100
