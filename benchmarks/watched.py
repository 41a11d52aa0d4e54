"""`puna` as it is, in a process that can be asked what is left in it.

`python -m benchmarks.watched NOTE serve ...` runs `puna serve ...`; at SIGUSR1 it writes the names
of the event loop's tasks to the file NOTE, a line each. Nothing of the product knows of it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from puna.cli import main

_LIMIT_S = 10
_END = "end\n"


def _write_tasks(note: Path) -> None:
    tasks = asyncio.all_tasks(asyncio.get_running_loop())
    names = [getattr(task.get_coro(), "__qualname__", "a task") for task in tasks]
    note.write_text("".join(f"{name}\n" for name in names) + _END)


def tasks_of(pid: int, note: Path) -> list[str]:
    """The tasks that a watched process has now.

    Raises:
        RuntimeError: it does not tell.
    """
    note.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    until = time.monotonic() + _LIMIT_S
    while time.monotonic() < until:
        if note.exists() and (said := note.read_text()).endswith(_END):
            return said.splitlines()[:-1]
        time.sleep(0.01)
    raise RuntimeError(f"the gateway did not tell its tasks within {_LIMIT_S} s")


if __name__ == "__main__":
    _, file, *options = sys.argv
    signal.signal(signal.SIGUSR1, lambda *_: _write_tasks(Path(file)))
    sys.argv = ["puna", *options]
    main()
