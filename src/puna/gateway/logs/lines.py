"""Where the gateway's own words go: lines on stderr, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, TextIO

from typing_extensions import override

Entry = tuple[float, str]
"""A Unix time in seconds, and what happened then."""


class JSONFormatter(logging.Formatter):
    """Formats a log record as one JSON object.

    Time (UTC), level, logger, message, and a traceback if any.
    """

    @override
    def format(self, record: logging.LogRecord) -> str:
        traceback = self.formatException(record.exc_info) if record.exc_info is not None else None
        return self.line(
            record.created, record.levelname, record.getMessage(), record.name, traceback
        )

    def line(
        self, at: float, level: str, message: str, logger: str, traceback: str | None = None
    ) -> str:
        """Serialize an event that happened `at` a Unix time, in seconds."""
        line = {
            "time": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
            "level": level.lower(),
            "logger": logger,
            "message": message,
        }
        if traceback is not None:
            line["traceback"] = traceback
        return _escape_control(json.dumps(line, ensure_ascii=False))


def _escape_control(line: str) -> str:
    """Escape control and direction characters in a line of JSON, because a terminal obeys them."""
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in line)


class LineFormatter(logging.Formatter):
    """Formats a log record as one line of text.

    Control characters in what clients sent are escaped, so that they cannot forge a line.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")
        self._second = -1
        self._shown_second = ""

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        return self.line(record.created, record.levelname, record.message, record.name)

    def line(self, at: float, level: str, message: str, logger: str) -> str:  # noqa: ARG002 - as above
        """Format an event that happened `at` a Unix time, in seconds."""
        second = int(at)
        if second != self._second:
            self._second = second
            self._shown_second = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        line = f"{self._shown_second},{int((at - second) * 1000):03d} {level} {message}"
        # `isprintable` looks each letter up; nearly every line is plain ASCII.
        if line.isascii() and not line.encode().translate(None, _PRINTABLE):
            return line
        return _printable(line)

    @override
    def formatException(self, ei: Any) -> str:
        return "\n".join(map(_printable, super().formatException(ei).split("\n")))


_PRINTABLE = bytes(range(0x20, 0x7F))


def _printable(line: str) -> str:
    """Escape the characters of a line that cannot be printed."""
    if line.isprintable():
        return line
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in line
    )


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes lines to a stream, several of them in one write."""

    def __init__(self, stream: TextIO, formatter: JSONFormatter | LineFormatter) -> None:
        super().__init__(stream)
        self.setFormatter(formatter)
        self._line = formatter.line

    def emit_together(self, logger: str, entries: Sequence[Entry]) -> None:
        """Write several entries of one logger in one write, in order."""
        with self.lock or nullcontext():
            lines = [self._line(at, "INFO", text, logger) for at, text in entries]
            try:
                self.stream.write("\n".join((*lines, "")))
                self.flush()
            except (OSError, ValueError):  # nobody reads: a log must not end a gateway
                return

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        """Do nothing: a failure to write to the log cannot be logged."""
        if not isinstance(sys.exception(), OSError | ValueError):
            super().handleError(record)


def log_together(logger: logging.Logger, entries: Sequence[Entry]) -> None:
    """Log many entries at level info, each with its own time, in one write if possible."""
    hearing: logging.Logger | None = logger
    while hearing is not None:
        for handler in hearing.handlers:
            if isinstance(handler, LineHandler):
                handler.emit_together(logger.name, entries)
            elif handler.level <= logging.INFO:
                for entry in entries:
                    handler.handle(_record(logger.name, *entry))
        hearing = hearing.parent if hearing.propagate else None


def _record(logger: str, at: float, text: str) -> logging.LogRecord:
    """A log record for an entry, for loggers that have other handlers."""
    record = logging.LogRecord(logger, logging.INFO, "", 0, text, (), None)
    record.created, record.msecs = at, (at % 1) * 1000
    return record


def set_up_logging(*, is_debug: bool, is_json: bool) -> None:
    """Send the loggers `puna` and `uvicorn` to stderr; no other logger is touched."""
    handler = LineHandler(sys.stderr, JSONFormatter() if is_json else LineFormatter())
    for name, level in (("puna", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.DEBUG if is_debug else level)
