"""The parent of several workers: processes, signals, the clock. `crew.py` decides."""

from __future__ import annotations

import pickle
import signal
import socket
import time
from collections.abc import Callable

import uvicorn
from uvicorn.supervisors.multiprocess import Process

from puna.gateway.crew import Crew

_TICK_S = 0.1


class WorkerProcess:
    """One worker: a process on the parent's sockets, with a pipe that tells whether it is ready."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        self._process = Process(config, sockets)
        self._is_asked = False

    @property
    def name(self) -> str:
        """What the operator reads."""
        return f"worker {self._process.pid}"

    def start(self) -> None:
        """Begin; a fresh interpreter, so that it reads the configuration anew."""
        self._process.start()

    def hear(self) -> bool | None:
        """Whether it says that it is ready; None if it said nothing since it was last asked."""
        pipe = self._process.parent_conn
        answer: bool | None = None
        try:
            while pipe.poll():
                answer = pipe.recv() is True
                self._is_asked = False
            if not self._is_asked:
                pipe.send(b"ping")
                self._is_asked = True
        except (OSError, EOFError, pickle.UnpicklingError):
            return None  # it is ending; that shows by itself
        return answer

    def ended(self) -> str | None:
        """How it ended, in words; None while it runs."""
        code = self._process.exitcode
        if code is None:
            return None
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"

    def terminate(self) -> None:
        """Tell it to finish what is under way, and end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()


def run_crew(crew: Crew, sockets: list[socket.socket], may_replace: Callable[[], bool]) -> None:
    """Keep workers at work until SIGTERM or SIGINT. Blocks.

    On SIGHUP they are replaced, unless `may_replace` says no. At the end the parent's `sockets` are
    closed first: who connects meanwhile is refused, not left to wait for nobody.
    """
    received: list[int] = []

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: received.append(number))
    while not crew.is_over:
        while received:
            if received.pop(0) != signal.SIGHUP:
                crew.end(time.monotonic())
                for one in sockets:
                    one.close()
            elif may_replace():
                crew.replace(time.monotonic())
        crew.tick(time.monotonic())
        time.sleep(_TICK_S)
