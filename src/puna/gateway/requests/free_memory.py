"""How much memory this process may still take, so that a body that does not fit is refused.

An allocation that fails within the JSON parser ends the process, and so does the kernel when a
container is above its limit: a body is better refused before it is read.
Source: getrlimit(2), proc_pid_statm(5), the kernel's `cgroup-v2.rst` and `cgroup-v1/memory.rst`.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SMALL_BODY = 256 * 1024
"""Bytes of a body that is always read."""

_FLOOR = 16 * 1024 * 1024
_TIMES = 16
"""What a body may need by its size, with all that is made of it: a body of short messages that the
full lane reads needs that much."""

_PAGE = os.sysconf("SC_PAGE_SIZE")
_UNLIMITED = 1 << 60
"""Version 1 of control groups has no word for it, but a very large number."""


def lacks_memory(error: BaseException | None) -> bool:
    """Whether an error says that there is no memory left, for a value or for a thread's stack."""
    is_of_threads = isinstance(error, RuntimeError) and "can't start new thread" in str(error)
    return isinstance(error, MemoryError) or is_of_threads


class FreeMemory:
    """Estimates whether a body still fits in this process's memory, beside those being read.

    `root` is where the kernel's files are.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._held_bytes = 0
        self._process = root / "proc/self"
        self._groups = root / "sys/fs/cgroup"

    def fits(self, body_bytes: int) -> bool:
        """Whether a body of so many bytes can be read and answered."""
        if body_bytes <= SMALL_BODY:
            return True
        left = self.left()
        return left is None or left >= _FLOOR + _TIMES * (body_bytes + self._held_bytes)

    @contextmanager
    def hold(self) -> Generator[Callable[[int], bool]]:
        """Context for reading and parsing one body.

        Gives a function `grow(body_bytes)`: whether the body, of which so many bytes have come or
        are announced, still fits beside the others. They are reserved until the context ends.
        """
        held = 0

        def grow(body_bytes: int) -> bool:
            """Whether the body fits with so many bytes; reserves them if so."""
            nonlocal held
            self._held_bytes -= held
            does_fit = self.fits(body_bytes)
            held = body_bytes if does_fit and body_bytes > SMALL_BODY else 0
            self._held_bytes += held
            return does_fit

        try:
            yield grow
        finally:
            self._held_bytes -= held

    def left(self) -> int | None:
        """Bytes until the nearest limit; None where there is none, or the kernel does not tell."""
        return min((*self._left_of_process(), *self._left_of_groups()), default=None)

    def _left_of_process(self) -> Iterator[int]:
        """The bytes left below each limit of the process itself (`ulimit`)."""
        with suppress(OSError, ValueError, IndexError):
            pages = [int(word) for word in (self._process / "statm").read_text().split()]
            for limit, used in ((resource.RLIMIT_AS, pages[0]), (resource.RLIMIT_DATA, pages[5])):
                soft, _ = resource.getrlimit(limit)
                if soft != resource.RLIM_INFINITY:
                    yield soft - used * _PAGE

    def _left_of_groups(self) -> Iterator[int]:
        """The bytes left below the limits of its control groups.

        Cached files are not counted as used.
        """
        for folder in self._group_folders():
            for names in (
                ("memory.max", "memory.current", "inactive_file"),
                ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
            ):
                with suppress(OSError, ValueError):  # "max" is no number
                    limit, used = (int((folder / name).read_text()) for name in names[:2])
                    if limit < _UNLIMITED:
                        yield limit - used + _read_stat(folder / "memory.stat", names[2])

    def _group_folders(self) -> Iterator[Path]:
        """The folders with the limits of the process's control group and those above it."""
        try:
            lines = (self._process / "cgroup").read_text().splitlines()
        except OSError:
            return
        for line in lines:
            _, controllers, path = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            root = self._groups / "memory" if controllers else self._groups
            folder = root / path.lstrip("/")
            # In a container the path may be the host's, while the files are those at the root.
            while folder != root:
                yield folder
                folder = folder.parent
            yield root


def _read_stat(path: Path, name: str) -> int:
    """One number of a control group's file of statistics; 0 where it is missing."""
    for line in path.read_text().splitlines():
        if line.startswith(f"{name} "):
            return int(line.split()[1])
    return 0
