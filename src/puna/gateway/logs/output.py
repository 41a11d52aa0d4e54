"""Lines for the operator that neither wait nor fail, whatever is behind stdout and stderr.

A reader may be gone (`EPIPE`), slow (a full pipe: a write blocks for ever), the file's disk full
(`ENOSPC`), the descriptor closed. So a write only adds to a bounded queue, and a thread of its own
empties it. What cannot be written is dropped and counted; the count is the first line that can be
written again.
"""

from __future__ import annotations

import atexit
import io
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager

from typing_extensions import override

MOST_WAITING = 1024 * 1024
"""Bytes that wait for a slow reader; lines beyond them are dropped."""

_DRAIN_S = 1.0
"""How long the end of the process waits for the last lines."""

_AGAIN_S = 0.5
_STANDARD_FILES = (0, 1, 2)


class OperatorStream(io.TextIOBase):
    """A text stream over a file descriptor. No method waits for the reader, and none raises.

    Attributes:
        lost: how many writes were dropped and are not reported yet.
    """

    def __init__(self, descriptor: int, *, most_waiting: int = MOST_WAITING) -> None:
        self._descriptor = descriptor
        self._most_waiting = most_waiting
        self._waiting: deque[tuple[bytes, int]] = deque()  # and of how many writes it tells
        self._size = 0
        self._change = threading.Condition()
        self._writer: threading.Thread | None = None
        self.lost = 0

    @override
    def write(self, text: str) -> int:
        data = text.encode("utf-8", "backslashreplace")
        with self._change:
            if self._size + len(data) > self._most_waiting:
                self.lost += 1
            else:
                if self.lost:
                    self._enqueue(
                        b"(%d lines of this log could not be written)\n" % self.lost, self.lost
                    )
                    self.lost = 0
                self._enqueue(data, 1)
                self._change.notify_all()
            self._start_writer()
        return len(text)

    @override
    def flush(self) -> None:
        """Nothing: the thread writes."""

    @override
    def writable(self) -> bool:
        return True

    @override
    def fileno(self) -> int:
        return self._descriptor

    @override
    def isatty(self) -> bool:
        try:
            return os.isatty(self._descriptor)
        except OSError:
            return False

    def drain(self, timeout_s: float = _DRAIN_S) -> bool:
        """Wait until all is written, at most so many seconds; whether it is."""
        with self._change:
            return self._change.wait_for(lambda: self._size == 0, timeout_s)

    def _enqueue(self, data: bytes, writes: int) -> None:
        """Queue bytes for the writer thread; `writes` is how many writes they come from."""
        self._waiting.append((data, writes))
        self._size += len(data)

    def _start_writer(self) -> None:
        """Start the writer thread with the first write.

        Where no thread can be started, the next write tries again.
        """
        if self._writer is None:
            writer = threading.Thread(target=self._write_all, name="operator output", daemon=True)
            try:
                writer.start()
            except RuntimeError:
                return  # no thread is to be had now: the next write tries again
            self._writer = writer

    def _write_all(self) -> None:
        """The writer thread: writes what is queued, for ever, and counts what is lost."""
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting)
                taken = tuple(self._waiting)
                self._waiting.clear()
            data = b"".join(data for data, _ in taken)
            is_written = _write(self._descriptor, data)
            with self._change:
                self._size -= len(data)
                if not is_written:
                    self.lost += sum(writes for _, writes in taken)
                self._change.notify_all()


def _write(descriptor: int, data: bytes) -> bool:
    """Write all bytes to a file descriptor, waiting for a slow reader.

    Returns False where the reader is gone or the disk is full. Workers share a pipe, which accepts
    up to `PIPE_BUF` bytes at once or not at all: with more at once, lines of one worker would stand
    within those of another. Source: POSIX, `write`.
    """
    at = 0
    while at < len(data):
        end = data.rfind(b"\n", at, at + select.PIPE_BUF) + 1 or at + select.PIPE_BUF
        try:
            at += os.write(descriptor, data[at:end])
        except BlockingIOError:  # somebody made the descriptor non-blocking
            try:
                select.select((), (descriptor,), (), _AGAIN_S)
            except (OSError, ValueError):
                return False
        except OSError:
            return False
    return True


def write_in_background() -> Callable[[], None]:
    """Replace `sys.stdout` and `sys.stderr` by such streams. Returns a function that undoes it.

    All output goes this way: log lines, tracebacks, warnings, `print` in a hook. Missing standard
    descriptors are opened on the null device first; else the next socket would become stderr.
    """
    _open_standard_files()
    before = sys.stdout, sys.stderr
    streams = OperatorStream(1), OperatorStream(2)
    for stream in before:
        _flush(stream)
    sys.stdout, sys.stderr = streams

    def end() -> None:
        """Wait until both streams are written. Called at exit."""
        for stream in streams:
            stream.drain()

    def undo() -> None:
        """Write what is queued, and put the earlier streams back."""
        end()
        atexit.unregister(end)
        sys.stdout, sys.stderr = before

    atexit.register(end)
    return undo


@contextmanager
def operator_output() -> Generator[Callable[[str], None]]:
    """Context in which stdout and stderr do not block.

    Gives a function that writes one line to stderr.
    """
    undo = write_in_background()
    try:
        yield announce
    finally:
        undo()


def announce(line: str) -> None:
    """Write one line for the operator to stderr."""
    sys.stderr.write(f"{line}\n")


def _flush(stream: io.TextIOBase | object) -> None:
    """Flush a stream that may have been closed, or may have no `flush`."""
    flush = getattr(stream, "flush", None)
    if flush is not None:
        try:
            flush()
        except (OSError, ValueError):
            return


def _open_standard_files() -> None:
    """Open missing standard file descriptors on the null device."""
    for descriptor in _STANDARD_FILES:
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
