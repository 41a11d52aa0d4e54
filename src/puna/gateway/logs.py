"""Where the gateway's own words go: lines on stderr, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

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

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        return "".join(
            one if one.isprintable() else one.encode("unicode_escape").decode()
            for one in super().formatMessage(record)
        )


def set_up_logging(*, is_debug: bool, is_json: bool) -> None:
    """Send the loggers `puna` and `uvicorn` to stderr; no other logger is touched."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormatter() if is_json else LineFormatter())
    for name, level in (("puna", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.DEBUG if is_debug else level)
