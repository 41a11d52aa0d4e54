"""Server-sent events: a push decoder and an encoder.

Rules follow the HTML standard's "Server-sent events" section, read as a table:
a line ends at CR LF, LF or CR; a blank line dispatches; a line that starts with a colon is a
comment; one space after the colon of a field is dropped; `data` lines are joined by LF; a BOM at
the very start is skipped. Two liberties: an unfinished event at the end of input is dispatched,
since upstreams that forget the last blank line are common; and lines that are a JSON object or list
without `data:` are an event, since some hosts send their errors so (js-genai#1973).
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
    """One dispatched event: its type (`""` when none was named) and its data, undecoded."""

    event: str
    data: bytes


class EventDecoder(Protocol):
    """Bytes in pieces of any size in, whole events out."""

    def feed(self, data: bytes, /) -> list[SSEEvent]:
        """Take bytes; give the events that they complete, in order."""
        ...

    def close(self) -> list[SSEEvent]:
        """The input has ended: give what is left."""
        ...

    @property
    def fault(self) -> str | None:
        """What is wrong with the input; then nothing more is taken."""
        ...


class SSEDecoder:
    """Feed it bytes in pieces of any size; it gives the events that are complete.

    Work is linear in the input whatever the pieces are: an unfinished line is kept in parts. An
    event without an end is a `fault`.
    """

    __slots__ = (
        "_after_cr",
        "_bare",
        "_data",
        "_event",
        "_held",
        "_is_first_line",
        "_line",
        "fault",
    )

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._bare: list[bytes] = []  # lines of JSON without a field's name
        self._event = ""
        self._after_cr = False
        self._is_first_line = True
        self._held = 0
        self.fault: str | None = None

    def feed(self, data: bytes) -> list[SSEEvent]:
        """Take bytes; give the events that they complete, in order."""
        if data.startswith(_DATA) and data.endswith(_BLANK_LINE) and CR not in data:
            texts = data[6:-2].split(_BETWEEN)
            # Without other line ends these are events of one line each, and nothing else.
            if data.count(b"\n") == 2 * len(texts) and self._is_between_events():
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
                self._hold(len(data))
            return []
        lines = data.split(b"\n")
        self._line.append(lines[0])
        lines[0] = b"".join(self._line)
        rest = lines.pop()
        self._line = [rest] if rest else []
        events = self._take(lines)
        if events or not (self._line or self._data or self._bare):
            self._held = len(rest)
        else:
            self._hold(len(data))
        return events

    def _hold(self, size: int) -> None:
        """Note that more is kept of an event under way; too much is let go."""
        self._held += size
        if self._held > MOST_HELD:
            self.fault = ENDLESS
        if self.fault is not None:
            self._line, self._data, self._bare = [], [], []

    def close(self) -> list[SSEEvent]:
        """The input has ended: give what is left."""
        rest = b"".join(self._line)
        self._line = []
        return self._take([rest, b""])

    def _is_between_events(self) -> bool:
        return not (self._line or self._data or self._bare or self._event or self._after_cr)

    def _take(self, lines: list[bytes]) -> list[SSEEvent]:
        events: list[SSEEvent] = []
        if self._is_first_line and lines:
            self._is_first_line = False
            lines[0] = lines[0].removeprefix(_BOM)
        for line in lines:
            if not line:
                if self._bare:
                    events += self._end_bare()
                if self._data:
                    events.append(SSEEvent(self._event, _joined(self._data)))
                    self._data = []
                self._event = ""
                continue
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            elif name == b"event":
                self._event = value.removeprefix(b" ").decode("utf-8", "replace")
            elif name not in _IGNORED:
                events += self._take_bare(line)
        return events

    def _take_bare(self, line: bytes) -> list[SSEEvent]:
        """A line without a field's name: a part of JSON, or nothing. Gives the JSON before it."""
        ended = self._end_bare() if self._bare and line.startswith((b"{", b"[")) else []
        if self._bare or line.lstrip()[:1] in (b"{", b"["):
            self._bare.append(line)
        return ended

    def _end_bare(self) -> list[SSEEvent]:
        """The event of lines that came without a field's name, where they are JSON."""
        text, self._bare = _joined(self._bare), []
        try:
            is_json = isinstance(from_json(text), dict | list)
        except ValueError:
            return []
        return [SSEEvent("", text)] if is_json else []


def encode_event(data: bytes, event: str = "") -> bytes:
    """One event on the wire. `data` must be one line, as JSON is."""
    if event:
        return b"event: " + event.encode() + b"\ndata: " + data + b"\n\n"
    return b"data: " + data + b"\n\n"


def _joined(lines: list[bytes]) -> bytes:
    """The lines of an event. `join` takes 80 bytes for each, so many are put together by hand."""
    if len(lines) <= _MANY_LINES:
        return b"\n".join(lines)
    text = bytearray()
    for line in lines:
        text += line
        text += b"\n"
    del text[-1:]
    return bytes(text)
