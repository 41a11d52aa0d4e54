"""Parses the replies of one connection: bytes in, head and body pieces out. No socket.

httptools (llhttp, strict) does the framing; what it leaves to its user is checked here. Nothing
raises: a reply that cannot be read has the reason in `failure`, and what came before it is kept.
"""

from __future__ import annotations

from typing import Any

import httptools

MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 256

_CHUNK = b"%x\r\n%b\r\n"
_LONGEST_SIZE = 10  # digits of a chunk's size, and its line's end
_NO_BODY = (204, 304)
_FIRST_FINAL = 200
_SWITCHING = 101
_PARSER: Any = httptools.HttpResponseParser


class _RefusedError(ValueError):
    """Raised in a callback to stop the parser.

    The reply is malformed, or the rest is not needed.
    """


class ReplyReader:
    """Parses the replies of one connection, one after the other.

    Attributes, valid after each `feed`:
        status, headers: the head, once `has_head`. Names are lower-case; repeated ones are joined.
        pieces: bytes of the body that were not taken yet; whoever takes them clears the list.
        is_complete: the reply is whole.
        ends_at_close: the body has no length and ends when the connection does.
        keeps_alive: the connection can carry another reply.
        is_at_chunk_end: the bytes so far end with a whole HTTP chunk; see `read_single_chunk`.
        failure: why the reply cannot be read, or None.
    """

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.on_body = self.pieces.append  # the parser calls the list itself: no frame for a chunk
        self._names: dict[bytes, str] = {}  # a host says the same headers with each reply
        self.begin()
        self._parser: Any = _PARSER(self)

    def begin(self, *, has_no_body: bool = False) -> None:
        """Reset for the next reply. `has_no_body` is set for the reply to a HEAD request."""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.has_head = False
        self.is_complete = False
        self.ends_at_close = False
        self.keeps_alive = False
        self.is_at_chunk_end = False
        self.failure: str | None = None
        self._is_chunked = False
        self._has_no_body = has_no_body
        self._is_interim = False
        self._repeats = 0
        self._head_bytes = 0
        self._idle_bytes = 0

    def feed(self, data: bytes) -> None:
        """Parse the next bytes from the connection."""
        if not self.has_head:
            self._head_bytes += len(data)
        had = len(self.pieces)
        self.is_at_chunk_end = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.keeps_alive = False
            if not self.is_complete and self.failure is None:
                self.failure = f"the reply is not HTTP: {error}"
        if self.is_complete or self.failure is not None:
            return
        if not self.has_head:
            if self._head_bytes > MAX_HEAD_BYTES:
                self.failure = f"the head of the reply is longer than {MAX_HEAD_BYTES} bytes"
        elif self.pieces:
            self._idle_bytes = 0
            if self._is_chunked and len(self.pieces) > had:
                last = self.pieces[-1]
                self.is_at_chunk_end = data.endswith(_CHUNK % (len(last), last))
        else:
            # Trailers and chunk extensions: unread, but not without end.
            self._idle_bytes += len(data)
            if self._idle_bytes > MAX_HEAD_BYTES:
                self.failure = f"the reply has over {MAX_HEAD_BYTES} bytes between two pieces"

    # --- what httptools calls

    def on_message_begin(self) -> None:
        """Httptools's callback: a reply begins. A second one that nobody asked for is refused."""
        if self.is_complete:
            self.keeps_alive = False
            raise _RefusedError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Httptools's callback with one header.

        Trailers, which come after the body, are ignored.
        """
        if self.has_head:
            return
        known = self._names.get(name) or self._cache_name(name)
        headers = self.headers
        said = value.decode("latin-1").rstrip(" \t")
        if known in headers:
            self._repeats += 1
            if self._repeats > MAX_HEADERS:
                self._refuse(f"the reply has more than {MAX_HEADERS} headers")
            said = f"{headers[known]}, {said}"
        headers[known] = said

    def on_headers_complete(self) -> None:
        """Httptools's callback at the end of the head: check limits, and find how the body ends."""
        parser, headers = self._parser, self.headers
        status: int = parser.get_status_code()
        if status < _FIRST_FINAL:
            self._skip_interim(status)
            return
        if parser.get_http_version() not in ("1.1", "1.0"):
            self._refuse(f"the reply is HTTP/{parser.get_http_version()}")
        if len(headers) + self._repeats > MAX_HEADERS:
            self._refuse(f"the reply has more than {MAX_HEADERS} headers")
        if self._head_bytes > MAX_HEAD_BYTES and _headers_size(headers) > MAX_HEAD_BYTES:
            self._refuse(f"the head of the reply is longer than {MAX_HEAD_BYTES} bytes")
        self.status = status
        self._find_framing(headers, parser)

    def on_message_complete(self) -> None:
        """Httptools's callback: the final reply, or an interim (1xx) one, is complete."""
        if self._is_interim:
            self._is_interim = False
        else:
            self.is_complete = True

    # --- what is left open by httptools

    def _find_framing(self, headers: dict[str, str], parser: Any) -> None:
        """Find from the headers how the body ends, and whether the connection can be reused."""
        coding = headers.get("transfer-encoding")
        if coding is not None and coding.lower() != "chunked":
            self._refuse(f"the transfer encoding `{coding:.40}` is not read")
        self.has_head = True
        self._is_chunked = coding is not None
        has_length = coding is not None or "content-length" in headers
        self.keeps_alive = bool(parser.should_keep_alive())
        if self._has_no_body:
            # The parser would wait for the body that the head announces, so it must not go on.
            self.is_complete = True
            self.keeps_alive = False
            raise _RefusedError
        if self.status in _NO_BODY:
            # Bytes of a body that may not be would be read as the next reply.
            self.keeps_alive = self.keeps_alive and not has_length
        elif not has_length:
            self.ends_at_close = True
            self.keeps_alive = False

    def _skip_interim(self, status: int) -> None:
        """Ignore an interim reply (100, 103)."""
        if status == _SWITCHING:
            self._refuse("the host wants to switch protocols")
        if "content-length" in self.headers or "transfer-encoding" in self.headers:
            self._refuse("an interim reply has a body")
        self._is_interim = True
        self.headers.clear()

    def _cache_name(self, name: bytes) -> str:
        """The lower-case form of a header name, cached."""
        if len(self._names) >= MAX_HEADERS:
            self._names.clear()
        known = self._names[name] = name.decode("latin-1").lower()
        return known

    def _refuse(self, failure: str) -> None:
        """Stop the parser with a reason."""
        self.failure = failure
        raise _RefusedError(failure)


def read_single_chunk(data: bytes) -> bytes | None:
    """The content of a read that is exactly one HTTP chunk in the usual form; else None.

    A reader that `is_at_chunk_end` need not be fed such a read: its state would be the same after.
    """
    at = data.find(b"\r\n", 0, _LONGEST_SIZE)
    length = len(data) - at - 4
    if at > 0 and length > 0 and data[:at] == b"%x" % length and data.endswith(b"\r\n"):
        return data[at + 2 : -2]
    return None


def _headers_size(headers: dict[str, str]) -> int:
    """The size of headers in bytes, as they are written."""
    return sum(len(name) + len(value) + 4 for name, value in headers.items())
