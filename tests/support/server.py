"""The real gateway: `puna serve` as a process of its own, on a port that is free.

with Served("--config", path, LLAMA_API_KEY="k") as served:
    socket = served.connect()
"""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.processes import environment

_ADDRESS = re.compile(r"serving on http://([0-9.]+):([0-9]+)")
_START_S = 60.0


class Served:
    """A running gateway. Leaving the `with` ends it with SIGTERM and expects status 0.

    `open_files` is how many files its process may have open.

    Attributes:
        lines: what it wrote to stderr so far.
        host, port: where it says that it listens.
    """

    def __init__(
        self,
        *options: str,
        command: Sequence[str] = ("serve",),
        open_files: int | None = None,
        **variables: str,
    ) -> None:
        self.lines: list[str] = []
        self.host, self.port = "", 0
        self._is_up = threading.Event()
        limited = (
            ("/bin/sh", "-c", 'ulimit -n "$0" && exec "$@"', str(open_files)) if open_files else ()
        )
        self.process = subprocess.Popen(
            [*limited, sys.executable, "-m", "puna.cli", *command, "--port", "0", *options],
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def url(self) -> str:
        """The address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """All that it wrote."""
        return "".join(self.lines)

    @property
    def children(self) -> list[int]:
        """Its child processes that are alive."""
        return children_of(self.process.pid)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """One request: status, headers with lower-case names, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            content = json.dumps(body) if body is not None else None
            connection.request(method, path, content, dict(headers or {}))
            reply = connection.getresponse()
            named = {name.lower(): value for name, value in reply.getheaders()}
            return reply.status, named, reply.read()
        finally:
            connection.close()

    def connect(self, *, receive_buffer: int | None = None) -> socket.socket:
        """A raw connection."""
        made = socket.socket()
        if receive_buffer is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        made.settimeout(20)
        made.connect(("127.0.0.1", self.port))
        return made

    def talk(self, *pieces: bytes, pause_s: float = 0.0) -> bytes:
        """Send bytes, and read all until the server closes."""
        with self.connect() as made:
            for piece in pieces:
                made.sendall(piece)
                time.sleep(pause_s)
            return read_all(made)

    def stop(self, number: int = signal.SIGTERM, *, within_s: float = 30) -> int:
        """End it; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(within_s)
        self._reader.join(5)
        return status

    def __enter__(self) -> Self:
        if not self._is_up.wait(_START_S) or self.port == 0:
            self.process.kill()
            raise AssertionError(f"the gateway did not start:\n{self.log}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        was_running = self.process.poll() is None
        try:
            status = self.stop()
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        assert error is not None or not was_running or status == 0, self.log

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.lines.append(line)
                found = _ADDRESS.search(line)
                if found:
                    self.host, self.port = found.group(1), int(found.group(2))
                if line.startswith("  puna chat"):
                    self._is_up.set()  # the last line of the start text
        self._is_up.set()


def read_all(connection: socket.socket) -> bytes:
    """All bytes until the other end closes."""
    pieces: list[bytes] = []
    while piece := connection.recv(65_536):
        pieces.append(piece)
    return b"".join(pieces)


def request_bytes(
    body: Any,
    *,
    path: str = "/v1/chat/completions",
    version: str = "1.1",
    headers: str = "",
) -> bytes:
    """A POST as it stands on the wire."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/{version}\r\nhost: x\r\ncontent-length: {len(content)}\r\n{headers}\r\n"
    )
    return head.encode() + content


def children_of(pid: int) -> list[int]:
    """The processes whose parent is `pid`."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended while we looked
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def open_files(pid: int) -> int:
    """The files and sockets that a process holds open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident_mb(pid: int) -> float:
    """A process's resident memory in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def becomes(fact: Callable[[], bool], *, within_s: float) -> bool:
    """Whether something comes true in time; for what another process brings about."""
    limit = time.monotonic() + within_s
    while not fact():
        if time.monotonic() > limit:
            return False
        time.sleep(0.01)
    return True
