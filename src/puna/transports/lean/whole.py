"""Parses a reply that came whole in one read, in the form that nearly all replies have.

Only what every HTTP parser would understand in the same way is accepted: status 200, clean header
lines, one `content-length` that fits. For everything else the result is None, and llhttp parses it
(`reading.py`).
"""

from __future__ import annotations

import re
from typing import Final

from puna.transports.lean.reading import MAX_HEADERS
from puna.wire.http import HeaderLines

_START: Final = b"HTTP/1.1 200 "
_HEAD_END: Final = b"\r\n\r\n"
_TEXT: Final = bytes((0x09, *range(0x20, 0x7F)))
_LONGEST_HEAD: Final = 16_384

_LENGTH: Final = b"\r\ncontent-length:"
_LINES = re.compile(
    rb"(?:\r\n(?:"
    rb"content-length:[ \t]*([0-9]{1,15})[ \t]*"
    rb"|connection:[ \t]*keep-alive[ \t]*"
    rb"|(?!(?:content-(?:length|encoding)|transfer-encoding|(?:proxy-)?connection|trailer|upgrade):)"
    rb"[!#$%&'*+.^_`|~0-9a-z-]+:[^\r]*"
    rb"))*"
)
"""Lines with good names, in lower case, of which none but a length says how the body ends."""


class WholeReply:
    """A complete reply: status, headers and body.

    Attributes:
        lines: the header lines as they came, with CR LF between them.
        lower_lines: the same in lower case, with CR LF before each.
    """

    __slots__ = ("body", "lines", "lower_lines", "status")

    def __init__(self, status: int, lines: bytes, lower_lines: bytes, body: bytes) -> None:
        self.status = status
        self.lines = lines
        self.lower_lines = lower_lines
        self.body = body

    @property
    def headers(self) -> dict[str, str]:
        """The headers by name."""
        return dict(HeaderLines(self.lines))


def read_whole(data: bytes) -> WholeReply | None:
    """Parse bytes that are a complete reply in the usual form.

    None where llhttp has to parse them.
    """
    end = data.find(_HEAD_END)
    if end < 0 or end > _LONGEST_HEAD or not data.startswith(_START):
        return None
    at = data.find(b"\r\n") + 2
    head = data[:end]
    lines = head.count(b"\r\n")
    # Each CR and LF stands in a pair, and the rest is printable.
    if lines > MAX_HEADERS or len(head.translate(None, _TEXT)) != 2 * lines:
        return None
    lower = data[at - 2 : end].lower()
    found = _LINES.fullmatch(lower)
    if found is None or lower.count(_LENGTH) != 1:
        return None
    if int(found[1]) != len(data) - end - len(_HEAD_END):
        return None
    return WholeReply(200, data[at:end], lower, data[end + len(_HEAD_END) :])
