"""Real servers and programs as child processes, with an environment of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

BIN = Path(sys.executable).parent
_KEPT = ("HOME", "LANG", "TMPDIR", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")


def environment(**more: str) -> dict[str, str]:
    """A clean environment with our commands on the PATH: no key of the developer's is in it."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1", **more}


def free_port() -> int:
    """A port of this machine that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def running(
    command: Sequence[str], port: int, cwd: Path, **variables: str
) -> Generator[subprocess.Popen[str]]:
    """A server from its first answer on; ended with SIGTERM, which must not leave anything.

    The command gets a process group of its own, so that a shell's child is ended with it.
    """
    process = subprocess.Popen(
        list(command),
        cwd=cwd,
        env=environment(**variables),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _wait_for(port, process)
        yield process
    finally:
        with suppress(ProcessLookupError):  # it ended by itself: `_wait_for` has said why
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def _wait_for(port: int, process: subprocess.Popen[str]) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=1)
        except OSError:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"no answer on port {port}")


def run(command: Sequence[str], cwd: Path, *, timeout_s: float = 300, **variables: str) -> str:
    """What a program that must succeed says on stdout."""
    done = subprocess.run(
        list(command),
        cwd=cwd,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
