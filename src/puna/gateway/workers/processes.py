"""The parent of several workers: processes, signals, the clock. `workers/schedule.py` decides."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Final

import uvicorn
from typing_extensions import override
from uvicorn.supervisors.multiprocess import Process

from puna.gateway.logs.output import write_in_background
from puna.gateway.workers.daemon_thread import start_in_thread
from puna.gateway.workers.schedule import WorkerPool

_TICK_S = 0.1


def _may_handle_signals() -> bool:
    """Whether this is the main thread; Python lets no other one handle signals."""
    return threading.current_thread() is threading.main_thread()


class HeartbeatServer(uvicorn.Server):
    """uvicorn's server, whose event loop answers the parent's pings.

    uvicorn answers them in a thread, which goes on while a request holds the loop. SIGTERM ends it
    at once while it reads the configuration, whose hooks may wait for ever.
    """

    def __init__(self, config: uvicorn.Config, pings: Connection) -> None:
        super().__init__(config)
        self._pings = pings

    @override
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        with super().capture_signals():
            if _may_handle_signals():
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                if self.should_exit:  # SIGTERM came just before
                    sys.exit(0)
            yield

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if _may_handle_signals():
            signal.signal(signal.SIGTERM, self.handle_exit)
        await super().startup(sockets)
        if self.started:
            loop = asyncio.get_running_loop()
            reload = getattr(self.config.loaded_app, "on_hangup", None)
            if reload is not None:
                loop.add_signal_handler(signal.SIGHUP, reload, self.config.ssl)
            loop.add_reader(self._pings.fileno(), self._answer_ping)

    def _answer_ping(self) -> None:
        """Answer a ping of the parent.

        Called by the event loop, so no answer means that it is blocked.
        """
        try:
            self._pings.recv()
            self._pings.send(self.started)
        except (OSError, EOFError):  # the parent is gone, and this process ends with it
            asyncio.get_running_loop().remove_reader(self._pings.fileno())


class _HeartbeatProcess(Process):
    """The process of a worker: its output cannot block it, and its event loop answers pings."""

    @override
    def target(self, sockets: list[socket.socket] | None = None) -> None:
        write_in_background()
        HeartbeatServer(self.config, self.child_conn).run(sockets)


class WorkerProcess:
    """One worker: a process on the parent's sockets, watched by pings over a pipe."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        self._process = _HeartbeatProcess(config, sockets)
        self._is_ping_sent = False

    @property
    def name(self) -> str:
        """The worker's name in lines for the operator."""
        return f"worker {self._process.pid}"

    def start(self) -> None:
        """Start the process. It is a fresh interpreter, which reads the configuration itself."""
        self._process.start()

    def poll(self) -> bool | None:
        """Whether the worker reports to be ready; None if it sent nothing since the last call."""
        pipe = self._process.parent_conn
        answer: bool | None = None
        try:
            while pipe.poll():
                answer = pipe.recv() is True
                self._is_ping_sent = False
            if not self._is_ping_sent:
                pipe.send(b"ping")
                self._is_ping_sent = True
        except (OSError, EOFError, pickle.UnpicklingError):
            return None  # it is ending; that shows by itself
        return answer

    def reload(self) -> None:
        """Signal the worker to read the configuration again."""
        if self._process.pid is not None:
            with suppress(ProcessLookupError):  # it has ended; that shows by itself
                os.kill(self._process.pid, signal.SIGHUP)

    def ended(self) -> str | None:
        """How it ended, in words; None while it runs."""
        code = self._process.exitcode
        if code is None:
            return None
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"

    def terminate(self) -> None:
        """Signal the worker to finish its requests and exit."""
        self._process.terminate()

    def kill(self) -> None:
        """Kill the process at once."""
        self._process.kill()


def run_pool(
    pool: WorkerPool,
    sockets: list[socket.socket],
    may_change: Callable[[], bool],
    early: Collection[int],
    *,
    has_file: bool,
) -> None:
    """Keep workers running until SIGTERM or SIGINT. Blocks. Runs in the parent of several workers.

    On SIGHUP they read the configuration again, on SIGUSR2 they are replaced, both unless
    `may_change` says no. Where there is no file to read (`has_file`), SIGHUP ends them, too. At the
    end the parent's `sockets` are closed first: who connects meanwhile is refused, not left to wait
    for nobody. `early` are signals that came before.
    """
    received = set[int]()  # many alike count as one: the file is read after the last
    ends = {signal.SIGINT, signal.SIGTERM} | (set() if has_file else {signal.SIGHUP})
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(number, lambda number, _: received.add(number))
    received.update(early)
    is_ending = False
    while not pool.is_over:
        changes = received - ends
        if received & ends:
            received.clear()
            is_ending = True
            pool.end(time.monotonic())
            for one in sockets:
                one.close()
        elif changes and not is_ending:
            received.difference_update(changes)
            if _ask_until_end(may_change, lambda: not received.isdisjoint(ends)):
                for number, change in _CHANGES:
                    if number in changes:
                        change(pool, time.monotonic())
        pool.tick(time.monotonic())
        time.sleep(_TICK_S)


_CHANGES: Final = (
    (signal.SIGHUP, WorkerPool.reload),
    (signal.SIGUSR2, WorkerPool.replace),
)


def _ask_until_end(may_change: Callable[[], bool], is_ended: Callable[[], bool]) -> bool:
    """The result of `may_change`, which runs in a thread; False if the end comes first.

    No worker is started meanwhile: it would inherit the variables of the file that is being read.
    """
    answer = start_in_thread(may_change, "configuration")
    while not answer.done():
        if is_ended():
            return False
        time.sleep(_TICK_S / 10)
    return answer.result()
