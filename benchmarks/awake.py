"""Keeps the core that it is pinned to from halting: `python -m benchmarks.awake SECONDS`.

It runs only when nothing else wants the core (SCHED_IDLE). A halted core of a virtual machine wakes
when its host has time for it, which can take milliseconds; that is no server's latency.
"""

from __future__ import annotations

import os
import sys
import time


def main(seconds: float) -> None:
    """Spin so long, at the lowest priority."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


if __name__ == "__main__":
    main(float(sys.argv[1]))
