"""Processes on a core of their own, and what the kernel says of them. Linux only."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_CORES = sorted(os.sched_getaffinity(0))
_CPU_CLOCK = 2  # CPUCLOCK_SCHED, in the lowest three bits of a process's clock id

MEASURED_CORE = _CORES[0]
OTHER_CORE = _CORES[-1]
"""The gateway runs on the first core, upstream and load on the last (one core does for both)."""


def environment() -> dict[str, str]:
    """This process's environment without proxies and keys: all load stays on this machine.

    Python's own variables go too: without byte code on disk every start would compile anew.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON")
        and not name.lower().endswith(("_proxy", "_api_key", "_api_base", "_master_key"))
    }


@contextmanager
def pinned(core: int) -> Generator[None]:
    """Processes started inside stay on `core`."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def running(
    command: Sequence[str],
    core: int | None,
    *,
    reads_line: bool = False,
    variables: Mapping[str, str] | None = None,
    folder: Path = ROOT,
) -> Generator[tuple[subprocess.Popen[str], str]]:
    """A process on `core`, ended at the end; with the first line that it prints, if wanted.

    Without a core it runs on all of them.

    `variables` are added to its environment; it runs in `folder`.
    """
    with tempfile.TemporaryFile("w+") as errors:
        with nullcontext() if core is None else pinned(core):
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if reads_line else subprocess.DEVNULL,
                stderr=errors,
                text=True,
                cwd=folder,
                env={**environment(), **(variables or {})},
            )
        try:
            line = process.stdout.readline() if process.stdout is not None else ""
            if reads_line and not line:
                errors.seek(0)
                raise RuntimeError(f"{command} did not start:\n{errors.read()}")
            yield process, line
        finally:
            end(process)


def end(process: subprocess.Popen[str]) -> None:
    """End a process: politely, then not."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def run_json(module: str, argument: Any, core: int = OTHER_CORE) -> Any:
    """Run `python -m module ARGUMENT` on `core` to its end and read the JSON that it prints."""
    with pinned(core):
        done = subprocess.run(
            [sys.executable, "-m", module, json.dumps(argument)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment(),
            timeout=180,
            check=False,
        )
    if done.returncode != 0:
        raise RuntimeError(f"{module} failed:\n{done.stderr}")
    return json.loads(done.stdout)


@contextmanager
def upstream(*certificate: Path, model: str = "bench-64-0") -> Generator[tuple[int, int]]:
    """The loopback upstream of `upstream.py`: its process id and its port.

    `model` is the one that it lists; it serves all. With a certificate (its file and its key's
    file) it speaks TLS.
    """
    command = [sys.executable, "-m", "benchmarks.upstream", model, *map(str, certificate)]
    with running(command, OTHER_CORE, reads_line=True) as (process, line):
        yield process.pid, int(line)


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(
    port: int,
    path: str,
    body: bytes | None = None,
    key: str = "",
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """One request over a fresh connection: status and body.

    Raises:
        OSError: nobody listens, or not yet.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    sent = {"content-type": "application/json", "authorization": f"Bearer {key}", **(headers or {})}
    try:
        connection.request("GET" if body is None else "POST", path, body, sent)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def cpu_s(pid: int) -> float:
    """User and system time of a process and of those that it started, so far, in seconds.

    The kernel's own clock of a process, to the nanosecond; a `clockid_t` names it by its number
    (`clock_getcpuclockid`, which Python does not offer).
    """
    spent_s = time.clock_gettime((~pid << 3) | _CPU_CLOCK)
    for child in children(pid):
        with suppress(OSError):  # it ended in between
            spent_s += cpu_s(child)
    return spent_s


def machine_cpu_s() -> float:
    """What all processes of the machine together have run so far, in seconds of a core."""
    user, nice, system, _idle, _waits, interrupts, soft = map(
        int, Path("/proc/stat").read_text().split()[1:8]
    )
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    """Resident memory of a process, in MB (2^20 bytes)."""
    return _memory_mb(pid, "VmRSS:")


def peak_mb(pid: int) -> float:
    """The most resident memory that a process ever had, in MB."""
    return _memory_mb(pid, "VmHWM:")


def _memory_mb(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return 0.0


def children(pid: int) -> list[int]:
    """The processes that a process started and that still run."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for one in lists for child in one.read_text().split()]


def sockets(pid: int) -> int:
    """Open sockets of a process."""
    count = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            count += str(link.readlink()).startswith("socket:")
    return count
