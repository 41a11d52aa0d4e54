"""An incremental decoder for newline-delimited JSON.

It ignores blank lines and carriage returns.
"""

from __future__ import annotations

from puna.wire.sse import ENDLESS, MOST_HELD, SSEEvent


class LineDecoder:
    """Splits bytes, in pieces of any size, into lines.

    Each complete line is an event without a name.

    The cost is linear in the input. The last line needs no line end. A line that is too long is a
    `fault`.
    """

    __slots__ = ("_held", "_line", "fault")

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._held = 0
        self.fault: str | None = None

    def feed(self, data: bytes) -> list[SSEEvent]:
        """Add bytes. Returns the lines that they complete, in order."""
        if self.fault is not None:
            return []
        lines = data.split(b"\n")
        self._line.append(lines[0])
        self._held += len(lines[0])
        if len(lines) == 1:
            if self._held > MOST_HELD:
                self.fault, self._line = ENDLESS, []
            return []
        lines[0] = b"".join(self._line)
        self._line = [lines.pop()]
        self._held = len(self._line[0])
        return _events(lines)

    def close(self) -> list[SSEEvent]:
        """End the input. Returns an unfinished last line."""
        rest = b"".join(self._line)
        self._line = []
        return _events([rest])


def _events(lines: list[bytes]) -> list[SSEEvent]:
    """Make events of lines; blank ones are skipped."""
    return [SSEEvent("", text) for line in lines if (text := line.strip())]
