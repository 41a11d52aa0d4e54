"""`application/vnd.amazon.eventstream`: a push decoder for AWS's binary frames.

A message is: its length and that of its headers (4 bytes each, big-endian), a CRC-32 of these 8
bytes, headers, payload, a CRC-32 of all before. A header is: the length of its name (1 byte), the
name, a type (1 byte), a value. Source: AWS SDK reference, "Event Stream encoding" (Smithy, "Amazon
Event Stream Specification"), read 2026-11-26.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from zlib import crc32

_PRELUDE = Struct(">III")
_CRC = Struct(">I")
_LEAST = _PRELUDE.size + _CRC.size
_MOST = 24 * 1024 * 1024  # of a payload; more is no message but a length that went wrong
_MOST_HEADERS = 128 * 1024
_TEXT = 7
_LENGTH = Struct(">H")
_WIDTHS = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""The value's bytes of each type of header but the two that tell their length (6 and 7)."""


@dataclass(frozen=True, slots=True)
class EventStreamMessage:
    """One message: its text headers, such as `:event-type`, and its payload."""

    headers: Mapping[str, str]
    payload: bytes


class EventStreamDecoder:
    """An incremental decoder: it is fed bytes in pieces of any size, and gives complete messages.

    After a malformed message `fault` says what is wrong, and further input is ignored.
    """

    __slots__ = ("_checked", "_data", "fault")

    def __init__(self) -> None:
        self._data = bytearray()
        self._checked = 0  # the length of the message under way, once its prelude is right
        self.fault: str | None = None

    @property
    def is_at_message_end(self) -> bool:
        """Whether the input so far ends with a whole message."""
        return not self._data

    def feed(self, data: bytes) -> list[EventStreamMessage]:
        """Add bytes; gives the messages that they complete, in order."""
        messages: list[EventStreamMessage] = []
        if self.fault is not None:
            return messages
        self._data += data
        begin = 0
        try:
            while end := self._end_of_message(begin):
                messages.append(_read_message(bytes(self._data[begin:end])))
                begin, self._checked = end, 0
        except ValueError as error:
            self.fault = str(error)
        del self._data[:begin]
        return messages

    def _end_of_message(self, begin: int) -> int:
        """The offset at which the message beginning at `begin` ends; 0 while it is incomplete."""
        available = len(self._data) - begin
        if not self._checked:
            if available < _PRELUDE.size:
                return 0
            self._checked = _read_prelude(self._data, begin)
        return begin + self._checked if available >= self._checked else 0


def _read_prelude(data: bytearray, begin: int) -> int:
    """Check a message's lengths and their checksum; gives the length of the whole message."""
    total, headers, crc = _PRELUDE.unpack_from(data, begin)
    if crc32(data[begin : begin + _PRELUDE.size - _CRC.size]) != crc:
        raise ValueError("a frame whose prelude has another checksum")
    if not _LEAST + headers <= total <= _MOST + _MOST_HEADERS or headers > _MOST_HEADERS:
        raise ValueError("a frame of an impossible length")
    return int(total)


def _read_message(data: bytes) -> EventStreamMessage:
    """Parse a whole message. Raises ValueError where its checksum is wrong."""
    end = len(data) - _CRC.size
    if crc32(data[:end]) != _CRC.unpack_from(data, end)[0]:
        raise ValueError("a frame with another checksum")
    after_headers = _PRELUDE.size + _PRELUDE.unpack_from(data)[1]
    headers = _read_headers(data[_PRELUDE.size : after_headers])
    return EventStreamMessage(headers, data[after_headers:end])


def _read_headers(data: bytes) -> dict[str, str]:
    """Parse the text headers of a message."""
    headers: dict[str, str] = {}
    names: set[str] = set()
    at = 0
    try:
        while at < len(data):
            name_end = at + 1 + data[at]
            name, kind = data[at + 1 : name_end].decode(), data[name_end]
            if name in names:
                raise ValueError("a frame with a header twice")
            names.add(name)
            at = name_end + 1
            width = _WIDTHS.get(kind)
            if width is None:
                width = _LENGTH.unpack_from(data, at)[0]
                at += _LENGTH.size
            if kind == _TEXT:
                headers[name] = data[at : at + width].decode()
            at += width
    except (IndexError, UnicodeDecodeError, struct.error) as error:
        raise ValueError("a frame with broken headers") from error
    if at != len(data):
        raise ValueError("a frame with broken headers")
    return headers
