"""HTTP requests and replies as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from typing_extensions import override

STREAM_TYPES = (
    "",
    "text/event-stream",
    "text/plain",
    "application/octet-stream",
    "application/x-ndjson",
    "application/vnd.amazon.eventstream",
)
"""The content types that hosts send streams under."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a transport may wait, in seconds. None means without limit.

    `total_s` bounds a whole reply (connect, headers and body); for a stream it bounds the time to
    the reply's headers, and `idle_s` each pause between two reads after that.
    """

    connect_s: float | None = 10.0
    idle_s: float | None = 600.0
    total_s: float | None = 600.0


@dataclass(frozen=True, slots=True, repr=False)
class HTTPRequest:
    """One request.

    `headers` have lower-case names. They and the query may hold a key, so `repr` shows neither.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    timeouts: Timeouts = Timeouts()
    is_stream: bool = False

    def __repr__(self) -> str:
        return f"HTTPRequest({self.method} {self.url.partition('?')[0]}, {len(self.body)} bytes)"

    def to(self, url: str, headers: Mapping[str, str]) -> HTTPRequest:
        """A copy of this request for another URL, with more headers."""
        return replace(self, url=url, headers={**self.headers, **headers})


@dataclass(frozen=True, slots=True)
class HTTPReply:
    """One whole reply. `headers` have lower-case names; the body is already decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - RFC 9110


_HIDDEN_HEADERS = frozenset(("authorization", "proxy-authorization", "set-cookie", "set-cookie2"))


def safe_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """A reply's headers without cookies and the like, for reports and errors."""
    return {name: value for name, value in headers.items() if name not in _HIDDEN_HEADERS}


class HeaderLines(Mapping[str, str]):
    """A reply's headers, parsed only when one is looked up, which few calls do.

    Names are lower-case; repeated ones are joined. The lines were checked by the HTTP parser.
    """

    __slots__ = ("_lines", "_read")

    def __init__(self, lines: bytes) -> None:
        """`lines` are `name: value` lines with CR LF between them."""
        self._lines = lines
        self._read: dict[str, str] | None = None

    @override
    def __getitem__(self, name: str) -> str:
        return self._parsed()[name]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._parsed())

    @override
    def __len__(self) -> int:
        return len(self._parsed())

    @override
    def __repr__(self) -> str:
        return repr(self._parsed())

    def _parsed(self) -> dict[str, str]:
        """The parsed headers."""
        if self._read is None:
            named: dict[str, str] = {}
            lines = self._lines.decode("latin-1").split("\r\n") if self._lines else ()
            for line in lines:
                name, _, value = line.partition(":")
                name, value = name.lower(), value.strip(" \t")
                named[name] = f"{named[name]}, {value}" if name in named else value
            self._read = self._visible(named)
        return self._read

    @staticmethod
    def _visible(headers: dict[str, str]) -> dict[str, str]:
        """The parsed headers that this mapping has; all of them here."""
        return headers


class SafeHeaderLines(HeaderLines):
    """Header lines without those that `safe_headers` leaves out."""

    __slots__ = ()

    @staticmethod
    @override
    def _visible(headers: dict[str, str]) -> dict[str, str]:
        return safe_headers(headers)
