"""Where the gateway's own words go: lines on stderr, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TextIO

from typing_extensions import override


class JSONFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, and a traceback if any."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info is not None:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class LineFormatter(logging.Formatter):
    """One line a record: control characters in what a client sent cannot make another."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")
        self._second = -1
        self._shown_second = ""

    @override
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        second = int(record.created)
        if second != self._second:
            self._second = second
            self._shown_second = time.strftime("%Y-%m-%d %H:%M:%S", self.converter(second))
        return f"{self._shown_second},{int(record.msecs):03d}"

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        if line.isprintable():
            return line
        return "".join(
            one if one.isprintable() else one.encode("unicode_escape").decode() for one in line
        )


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes lines to a stream, several of them in one write."""

    def emit_together(self, records: Sequence[logging.LogRecord]) -> None:
        """Write records that passed the logger's level."""
        lines = "".join([self.format(record) + self.terminator for record in records])
        with self.lock or nullcontext():
            try:
                self.stream.write(lines)
                self.flush()
            except OSError:  # nobody reads: a log must not end a gateway
                return


def handle_together(logger: logging.Logger, records: Sequence[logging.LogRecord]) -> None:
    """Give records to all handlers that hear the logger."""
    hearing: logging.Logger | None = logger
    while hearing is not None:
        for handler in hearing.handlers:
            if isinstance(handler, LineHandler):
                handler.emit_together(records)
                continue
            for record in records:
                if record.levelno >= handler.level:
                    handler.handle(record)
        hearing = hearing.parent if hearing.propagate else None


def set_up_logging(*, is_debug: bool, is_json: bool) -> None:
    """Send the loggers `puna` and `uvicorn` to stderr; no other logger is touched."""
    handler = LineHandler(sys.stderr)
    handler.setFormatter(JSONFormatter() if is_json else LineFormatter())
    for name, level in (("puna", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.DEBUG if is_debug else level)
