"""Server-sent events: an incremental decoder and an encoder.

The rules are those of the HTML standard's section "Server-sent events": a line ends at CR LF, LF or
CR; a blank line ends an event; a line that starts with a colon is a comment; one space after the
colon of a field is dropped; `data` lines are joined by LF; a BOM at the very start is skipped.
There are two exceptions: an unfinished event at the end of input counts, since many hosts forget
the last blank line; and lines that are a JSON object or list without `data:` count as an event,
since some hosts send their errors so (js-genai#1973).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from pydantic_core import from_json

from puna.wire.octets import CR, LF

_BOM = b"\xef\xbb\xbf"
_DATA = b"data: "
_BLANK_LINE = b"\n\n"
_BETWEEN = _BLANK_LINE + _DATA
_IGNORED = (b"", b"id", b"retry")
_MANY_LINES = 1_000

MOST_HELD = 24 * 1024 * 1024
ENDLESS = f"an event of more than {MOST_HELD >> 20} MiB"
"""What is kept of an event under way, and the fault of more: no host means that."""


class SSEEvent(NamedTuple):
    """One event: its type (`""` where none was given) and its data as bytes."""

    event: str
    data: bytes


class EventDecoder(Protocol):
    """An incremental decoder: bytes in pieces of any size in, complete events out."""

    def feed(self, data: bytes, /) -> list[SSEEvent]:
        """Add bytes. Returns the events that they complete, in order."""
        ...

    def close(self) -> list[SSEEvent]:
        """End the input. Returns an unfinished last event."""
        ...

    @property
    def fault(self) -> str | None:
        """What is wrong with the input, or None. After a fault further input is ignored."""
        ...


class SSEDecoder:
    """Splits bytes, in pieces of any size, into complete server-sent events.

    State: the unfinished line in parts, the `data` lines and the type of the unfinished event, and
    whether a CR may be followed by its LF. The cost is linear in the input, however it is cut. An
    event that grows without end is a `fault`.
    """

    __slots__ = (
        "_after_cr",
        "_data",
        "_event",
        "_held",
        "_is_first_line",
        "_line",
        "_unnamed",
        "fault",
    )

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._unnamed: list[bytes] = []  # lines of JSON without a field's name
        self._event = ""
        self._after_cr = False
        self._is_first_line = True
        self._held = 0
        self.fault: str | None = None

    def feed(self, data: bytes) -> list[SSEEvent]:
        """Add bytes. Returns the events that they complete, in order."""
        if data.startswith(_DATA) and data.endswith(_BLANK_LINE) and CR not in data:
            texts = data[6:-2].split(_BETWEEN)
            # Without other line ends these are events of one line each, and nothing else.
            if data.count(b"\n") == 2 * len(texts) and self._is_at_event_end():
                self._is_first_line = False
                return [SSEEvent("", text) for text in texts]
        if self._after_cr and data:
            # This LF is the other half of a CR LF that was cut between two pieces.
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if CR in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if LF not in data:
            if data:
                self._line.append(data)
                self._count_unfinished(len(data))
            return []
        lines = data.split(b"\n")
        self._line.append(lines[0])
        lines[0] = b"".join(self._line)
        rest = lines.pop()
        self._line = [rest] if rest else []
        events = self._read_lines(lines)
        if events or not (self._line or self._data or self._unnamed):
            self._held = len(rest)
        else:
            self._count_unfinished(len(data))
        return events

    def _count_unfinished(self, size: int) -> None:
        """Count bytes of the unfinished event; sets `fault` when there are too many."""
        self._held += size
        if self._held > MOST_HELD:
            self.fault = ENDLESS
        if self.fault is not None:
            self._line, self._data, self._unnamed = [], [], []

    def close(self) -> list[SSEEvent]:
        """End the input. Returns an unfinished last event."""
        rest = b"".join(self._line)
        self._line = []
        return self._read_lines([rest, b""])

    def _is_at_event_end(self) -> bool:
        """Whether no event is unfinished."""
        return not (self._line or self._data or self._unnamed or self._event or self._after_cr)

    def _read_lines(self, lines: list[bytes]) -> list[SSEEvent]:
        """Read complete lines. Returns the events that they end."""
        events: list[SSEEvent] = []
        if self._is_first_line and lines:
            self._is_first_line = False
            lines[0] = lines[0].removeprefix(_BOM)
        for line in lines:
            if not line:
                if self._unnamed:
                    events += self._end_unnamed()
                if self._data:
                    events.append(SSEEvent(self._event, _join_lines(self._data)))
                    self._data = []
                self._event = ""
                continue
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            elif name == b"event":
                self._event = value.removeprefix(b" ").decode("utf-8", "replace")
            elif name not in _IGNORED:
                events += self._read_unnamed_line(line)
        return events

    def _read_unnamed_line(self, line: bytes) -> list[SSEEvent]:
        """Read a line without a field name: part of a JSON event, as some hosts send, or nothing.

        Returns the JSON event that it ends, if any.
        """
        ended = self._end_unnamed() if self._unnamed and line.startswith((b"{", b"[")) else []
        if self._unnamed or line.lstrip()[:1] in (b"{", b"["):
            self._unnamed.append(line)
        return ended

    def _end_unnamed(self) -> list[SSEEvent]:
        """The event of the lines without field names, where they are JSON."""
        text, self._unnamed = _join_lines(self._unnamed), []
        try:
            is_json = isinstance(from_json(text), dict | list)
        except ValueError:
            return []
        return [SSEEvent("", text)] if is_json else []


def encode_event(data: bytes, event: str = "") -> bytes:
    """Serialize one event. `data` must be one line, as serialized JSON is."""
    if event:
        return b"event: " + event.encode() + b"\ndata: " + data + b"\n\n"
    return b"data: " + data + b"\n\n"


def _join_lines(lines: list[bytes]) -> bytes:
    """Join the `data` lines of an event by LF.

    `join` needs 80 bytes for each line, so many lines are joined by hand.
    """
    if len(lines) <= _MANY_LINES:
        return b"\n".join(lines)
    text = bytearray()
    for line in lines:
        text += line
        text += b"\n"
    del text[-1:]
    return bytes(text)
