"""Latencies that are the server's: other work of the machine waits, and no core halts."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from benchmarks.processes import MEASURED_CORE, OTHER_CORE, running

HOW = (
    "Meanwhile server, upstream and load are real-time processes (SCHED_FIFO), so that none waits "
    "for other work of the machine, and an idle-priority loop on each core keeps it from halting "
    "(`benchmarks/undisturbed.py`)"
)
NOT_ALLOWED = "Not allowed here: real-time priority, which needs root; so other work is in the tail"

_FIRST_IN = os.sched_param(10)


@contextmanager
def undisturbed(pids: Sequence[int], seconds: float) -> Generator[bool]:
    """While inside, these processes and the children of this one go before all others.

    Gives whether that was allowed. Nothing goes on for longer than `seconds`. A process that is
    always busy has no place here: the kernel holds real-time work to 95 % of the time.
    """
    with ExitStack() as stack:
        try:
            for pid in (*pids, 0):
                _go_first(pid, stack)
        except PermissionError:
            yield False
            return
        command = [sys.executable, "-m", "benchmarks.awake", str(seconds)]
        for core in {MEASURED_CORE, OTHER_CORE}:
            stack.enter_context(running(command, core))
        yield True


def _go_first(pid: int, stack: ExitStack) -> None:
    """A process with all its threads."""
    for task in Path(f"/proc/{pid or os.getpid()}/task").iterdir():
        thread = int(task.name)
        os.sched_setscheduler(thread, os.SCHED_FIFO, _FIRST_IN)
        stack.callback(_go_with_others, thread)


def _go_with_others(thread: int) -> None:
    with suppress(ProcessLookupError):
        os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
