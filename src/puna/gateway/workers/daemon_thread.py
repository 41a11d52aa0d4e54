"""Runs what may never end, as a hook's file that waits for a host, so that nothing waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def start_in_thread(work: Callable[[], T], name: str) -> Future[T]:
    """Run `work` in a daemon thread called `name`; the future has what it returns or raises.

    The end of the process waits for the threads of an executor, and not for this one.
    """
    result = Future[T]()
    result.set_running_or_notify_cancel()  # it cannot be cancelled

    def run() -> None:
        """Do the work, and set the future's result."""
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 - it belongs to who reads the future
            result.set_exception(error)
        else:
            result.set_result(value)

    threading.Thread(target=run, name=name, daemon=True).start()
    return result
