"""Supervises llama.cpp's server as a child process: starts it when needed, and again after a crash.

There is one `Supervisor` for each model, shared by all threads of a process. States: *no child*,
*starting* (one thread holds the lock, the others wait for its result), *running*. `ensure_running`
leads to running, or raises; the child's death or `stop` leads back to no child. A process forked
from this one has no child and starts its own: sockets may be shared over a fork, but not the
responsibility for ending the child.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from puna.embedded.openmp import HOW_TO_INSTALL, LIBRARY, find_openmp, with_openmp
from puna.embedded.server_errors import without_paths
from puna.embedded.weights import (
    DEFAULT_MODEL,
    EMBEDDING_TOKENS,
    SLOTS,
    check_server,
    find_weights,
    read_cpuinfo,
)
from puna.errors import ServiceUnavailableError
from puna.types.secret import Secret

Progress = Callable[[str], None]

CONTEXT_TOKENS = 2048
"""Tokens of prompt and answer together, for each slot."""

_TAIL_BYTES = 2_000
_STOP_S = 2.0

_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
"""What the child sees of our environment, with Python's own: it needs no provider's key."""


@dataclass(frozen=True, slots=True)
class ChildAddress:
    """The child's base URL (`http://127.0.0.1:<port>`) and the key that it requires."""

    base_url: str
    api_key: Secret


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The server's settings. `context_tokens` is for each slot; threads default to half the cores.

    More threads make it several times slower as soon as anything else runs.
    """

    slots: int = SLOTS
    context_tokens: int = CONTEXT_TOKENS
    threads: int = field(default_factory=lambda: max(1, (os.cpu_count() or 2) // 2))
    prompt_cache_mib: int = 64


def child_command() -> tuple[str, ...]:
    """The command that starts the child: this Python with the child's file.

    `-P` keeps this folder off the child's module path.
    """
    return (sys.executable, "-P", str(Path(__file__).with_name("child.py")))


class Supervisor:
    """Keeps one model's child process running.

    Args:
        model: a packaged model's name or the path of a GGUF file.
        start_timeout_s: how many seconds the child may take to load the model.
        progress: called with the texts "loading …" and "ready in …".
        settings: of the server.
        command: the program to run; for tests.
        check: called before a start; raises when the server cannot run here.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        start_timeout_s: float = 60.0,
        progress: Progress | None = None,
        settings: ServerSettings | None = None,
        command: Sequence[str] | None = None,
        check: Callable[[], None] = lambda: check_server(read_cpuinfo()),
    ) -> None:
        self.model = model
        self._start_timeout_s = start_timeout_s
        self._progress = progress
        self._settings = settings or ServerSettings()
        self._command = tuple(command or child_command())
        self._check = check
        # One state for each process that this object lives in, by process id: a lock that another
        # thread held during a fork would stay locked for ever in the new process.
        self._states: dict[int, _State] = {}

    def ensure_running(self) -> ChildAddress:
        """The child's address; starts the child if there is none or it has died.

        Blocks while the model loads. Threads that call this at the same time get the same child, or
        the same error.

        Raises:
            NotFoundError: there is no such model.
            ServiceUnavailableError: the server cannot run here, or the child did not start.
        """
        state = self._state()
        seen = state.failures
        with state.lock:
            if state.address is not None and state.is_running:
                return state.address
            if state.failures > seen and state.error is not None:
                raise ServiceUnavailableError(
                    state.error.message,
                    code=state.error.code,
                    is_retryable=state.error.is_retryable,
                )
            state.clear()
            try:
                state.address = self._start(state)
            except ServiceUnavailableError as error:
                state.clear()
                state.failures += 1
                state.error = error
                raise
            return state.address

    def stop(self) -> None:
        """End the child, if there is one; the next `ensure_running` starts another."""
        state = self._state()
        with state.lock:
            state.clear()

    @property
    def pid(self) -> int | None:
        """The child's process id, for monitoring; None when no child is alive."""
        process = self._state().process
        return process.pid if process is not None and process.poll() is None else None

    def has_died(self, wait_s: float) -> bool:
        """Whether the child is dead, waiting at most `wait_s` seconds for that.

        A broken connection is seen a moment before the process can be seen to have ended.
        """
        process = self._state().process
        if process is None:
            return True
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _state(self) -> _State:
        pid = os.getpid()
        state = self._states.get(pid)
        if state is not None:
            return state
        for other in list(self._states.values()):
            other.close_pipes()
        return self._states.setdefault(pid, _State())

    def _start(self, state: _State) -> ChildAddress:
        """Start a child and wait for its address."""
        self._check()
        weights = find_weights(self.model)
        began_at = time.monotonic()
        self._report_progress(f"loading {self.model}…")
        key = secrets.token_urlsafe(24)
        with tempfile.TemporaryFile() as errors, tempfile.TemporaryDirectory() as libraries:
            process = subprocess.Popen(  # noqa: S603 - our own program, no shell
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=with_openmp(_child_environment(), Path(libraries), find_openmp()),
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for us: answers under way may finish
            )
            state.process = process
            line = _exchange(process, self._first_line(weights, key), self._start_timeout_s)
            base_url = _read_address(line)
            if base_url is None:
                has_ended = line.endswith(b"\n") or _has_ended(process)
                raise self._failed(has_ended=has_ended, tail=_tail(errors, weights))
        self._report_progress(f"ready in {time.monotonic() - began_at:.1f} s")
        return ChildAddress(base_url, Secret(key))

    def _first_line(self, weights: Path, key: str) -> bytes:
        """The line that the child reads on stdin: its settings as JSON."""
        settings = self._settings
        line = {
            "model": str(weights),
            "alias": "puna",
            "api_key": key,
            "n_parallel": settings.slots,
            "n_ctx": settings.slots * settings.context_tokens,
            "n_batch": EMBEDDING_TOKENS,
            "n_threads": settings.threads,
            "cache_ram_mib": settings.prompt_cache_mib,
            "parent_pid": os.getpid(),
        }
        return json.dumps(line).encode() + b"\n"

    def _failed(self, *, has_ended: bool, tail: str) -> ServiceUnavailableError:
        """The error for a child that did not start."""
        what = (
            "ended before it could answer"
            if has_ended
            else f"was not ready within {self._start_timeout_s:g} s"
        )
        said = f" Its last words: {tail}" if tail else ""
        if LIBRARY in tail:
            said += f". {HOW_TO_INSTALL}"
        return ServiceUnavailableError(
            f"The process of the embedded model `{self.model}` {what}.{said}",
            code="embedded_model_did_not_start",
            fault="operator",
            is_retryable=False,
        )

    def _report_progress(self, text: str) -> None:
        if self._progress is not None:
            self._progress(text)


class _State:
    """What this process knows of its child. `lock` is held during a start and a stop."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.address: ChildAddress | None = None
        self.failures = 0
        self.error: ServiceUnavailableError | None = None

    @property
    def is_running(self) -> bool:
        process = self.process
        return process is not None and process.poll() is None

    def clear(self) -> None:
        """End the child and forget it."""
        process, self.process, self.address = self.process, None, None
        if process is None:
            return
        self._close_pipes(process)
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close_pipes(self) -> None:
        """Close the copies of another process's pipes after a fork; the child is not ours."""
        if self.process is not None:
            self._close_pipes(self.process)

    @staticmethod
    def _close_pipes(process: subprocess.Popen[bytes]) -> None:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


class SupervisorPool:
    """The supervisors of all embedded models of a process, by model.

    The application must call `stop_all` at its end (`atexit` will do).
    """

    def __init__(self, make_supervisor: Callable[[str], Supervisor] = Supervisor) -> None:
        self._make_supervisor = make_supervisor
        self._supervisors: dict[str, Supervisor] = {}

    def get(self, model: str) -> Supervisor:
        """The supervisor of `model`, made on first use; this starts no process."""
        known = self._supervisors.get(model)
        if known is not None:
            return known
        return self._supervisors.setdefault(model, self._make_supervisor(model))

    def drop(self, is_unused: Callable[[str], bool]) -> list[Supervisor]:
        """Remove the supervisors of unused models and return them. The caller must stop them."""
        return [self._supervisors.pop(one) for one in list(self._supervisors) if is_unused(one)]

    def stop_all(self) -> None:
        """End all children."""
        for supervisor in list(self._supervisors.values()):
            supervisor.stop()


def _child_environment() -> dict[str, str]:
    """The few variables of this process's environment that the child gets."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT_VARIABLES or name.startswith("PYTHON")
    }
    # Waiting threads sleep. Spinning ones slow it up to forty times on a busy machine.
    return {**kept, "OMP_WAIT_POLICY": "passive"}


def _exchange(process: subprocess.Popen[bytes], line: bytes, timeout_s: float) -> bytes:
    """Send one line and read one; what came so far if the child ends or the time is up."""
    assert process.stdin is not None  # noqa: S101 - both pipes were asked for
    assert process.stdout is not None  # noqa: S101 - the same
    deadline = time.monotonic() + timeout_s
    received = b""
    poll = select.poll()  # not select(): a gateway has more than 1,024 files open
    poll.register(process.stdout, select.POLLIN)
    try:
        process.stdin.write(line)
    except BrokenPipeError:
        return received
    while not received.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            return received
        piece = os.read(process.stdout.fileno(), 65_536)
        if not piece:
            return received
        received += piece
    return received


def _read_address(line: bytes) -> str | None:
    """The base URL in the child's first line; None where there is none."""
    try:
        said: Any = json.loads(line)
        return str(said["base_url"])
    except (ValueError, TypeError, KeyError):
        return None


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(0.2)
    except subprocess.TimeoutExpired:
        return False
    return True


def _tail(errors: IO[bytes], weights: Path) -> str:
    """The last lines of the child's error output, without file paths."""
    size = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, size - _TAIL_BYTES))
    lines = errors.read().decode("utf-8", "replace").split("\n")
    said = " ".join(lines[-8:]).replace(str(weights), "…")
    return without_paths(" ".join(said.split()))
