"""Decompresses reply bodies step by step.

A small compressed body may expand to gigabytes, so each step gives at most 64 KiB.
"""

from __future__ import annotations

import re
import zlib
from typing import Any

MAX_STEP = 65_536
STEPS_A_TURN = 16
"""Steps of a body that the event loop does at once: 1 MiB."""

_MOST_RATIO = 100
_SMALL = 8 * 1024 * 1024
"""A body that opens to less may be packed as tightly as gzip can (1,032 times)."""

_MOST_EMPTY = 1_000
"""Parts of a gzip body that open to nothing."""

_FED_AT_ONCE = 16_384
"""Bytes that one step looks at: what it leaves over is copied."""

_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_ZLIB_METHOD = 8
_PADDING = re.compile(rb"\0+")
_NO_ENCODING = frozenset(("", "identity", "none", "utf-8", "utf8"))
"""What stands in `content-encoding` where nothing is compressed: some write the charset there."""


class Decoder:
    """Decompresses one body: `feed` it bytes as they come, then call `step` until it gives none."""

    def __init__(self, encoding: str) -> None:
        """Begin. Raises ValueError for an encoding other than gzip and deflate."""
        self._is_gzip = encoding in ("gzip", "x-gzip")
        if not self._is_gzip and encoding != "deflate":
            raise ValueError(f"the content encoding `{encoding:.40}` is not read")
        self._opener: Any = zlib.decompressobj(_GZIP) if self._is_gzip else None
        self._left = b""
        self._at = 0
        self._is_full = False
        self._empty = 0
        self._opened_before = 0
        self._has_begun = False
        self._fed = 0
        self._opened = 0

    def check_ratio(self) -> None:
        """Check that the body did not expand far more than any answer of a model.

        A decompression bomb.

        Raises:
            zlib.error: it did.
        """
        if self._opened > _SMALL and self._opened > _MOST_RATIO * self._fed:
            raise zlib.error(f"the compressed body opens to over {_MOST_RATIO} times its size")

    def feed(self, data: bytes) -> None:
        """Add bytes of the compressed body."""
        self._fed += len(data)
        self._left = self._left[self._at :] + data if self._has_input else data
        self._at = 0

    @property
    def has_output(self) -> bool:
        """Whether `step` may give bytes without more input."""
        return self._has_input or self._is_full

    def step(self) -> bytes:
        """Decompress at most `MAX_STEP` bytes; an empty result means that more input is needed.

        Raises:
            zlib.error: the bytes do not fit their encoding, or there are too many empty gzip
                members.
        """
        while self._has_input or self._is_full:
            opener = self._opener or self._deflate_decoder()
            if opener.eof:
                self._skip_padding()
                if not self._has_input:
                    break
                opener = self._next_member()
            self._has_begun = True
            given = self._left[self._at : self._at + _FED_AT_ONCE]
            piece: bytes = opener.decompress(given, MAX_STEP)
            rest = opener.unused_data if opener.eof else opener.unconsumed_tail
            self._at += len(given) - len(rest)
            self._is_full = len(piece) == MAX_STEP and not opener.eof
            if piece:
                self._opened += len(piece)
                return piece
            if opener.eof and self._opened == self._opened_before:
                self._count_empty()
        self._left, self._at = b"", 0
        return b""

    @property
    def _has_input(self) -> bool:
        """Whether there is input that was not decompressed yet."""
        return self._at < len(self._left)

    def _count_empty(self) -> None:
        """Count a gzip member without content; too many are an error."""
        self._empty += 1
        if self._empty > _MOST_EMPTY:
            raise zlib.error(f"the compressed body holds over {_MOST_EMPTY} parts of nothing")

    def check_end(self) -> None:
        """Check, when the input has ended, that the compressed data is complete.

        Raises:
            zlib.error: it is cut.
        """
        if self._has_begun and not self._opener.eof:
            raise zlib.error("the compressed body is cut")

    def _deflate_decoder(self) -> Any:
        """The decompressor for `deflate`.

        Zlib's format by the standard, raw deflate from some hosts.

        The first byte shows which one it is.
        """
        is_zlib = self._left[self._at] & 0x0F == _ZLIB_METHOD
        self._opener = zlib.decompressobj(_ZLIB if is_zlib else _RAW)
        return self._opener

    def _skip_padding(self) -> None:
        """Skip zero bytes after a gzip member.

        The format allows them, and gzip's own tools ignore them.
        """
        zeros = _PADDING.match(self._left, self._at) if self._is_gzip else None
        if zeros is not None:
            self._at = zeros.end()

    def _next_member(self) -> Any:
        """The decompressor for the next gzip member.

        Deflate has only one: further bytes are an error.
        """
        if not self._is_gzip:
            raise zlib.error("bytes follow the compressed body")
        self._opener = zlib.decompressobj(_GZIP)
        self._opened_before = self._opened
        return self._opener


def make_decoder(encoding: str) -> Decoder | None:
    """The decoder for a `content-encoding` header; None where the body is not compressed.

    Raises:
        ValueError: the encoding is not supported.
    """
    return Decoder(encoding.strip().lower()) if is_compressed(encoding) else None


def is_compressed(encoding: str) -> bool:
    """Whether a `content-encoding` header says that the body is compressed."""
    return encoding.strip().lower() not in _NO_ENCODING
