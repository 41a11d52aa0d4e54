"""Real-time priority for a measurement, and none after it."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.undisturbed import undisturbed


def test_processes_go_first_only_inside() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        before = os.sched_getscheduler(0)
        with undisturbed([other.pid], 5) as is_allowed:
            policies = os.sched_getscheduler(0), os.sched_getscheduler(other.pid)
        expected = os.SCHED_FIFO if is_allowed else before
        assert policies == (expected, expected)
        assert os.sched_getscheduler(0) == os.sched_getscheduler(other.pid) == os.SCHED_OTHER
        other.communicate(b"\n")
