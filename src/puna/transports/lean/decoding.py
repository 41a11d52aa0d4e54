"""Compressed bodies, opened step by step: a small body that opens to a giant comes in pieces."""

from __future__ import annotations

import zlib
from typing import Any

MAX_STEP = 65_536
STEPS_A_TURN = 16
"""Steps of a body that the event loop does at once: 1 MiB."""

_MOST_RATIO = 100
_SMALL = 8 * 1024 * 1024
"""A body that opens to less may be packed as tightly as gzip can (1,032 times)."""

_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_ZLIB_METHOD = 8


class Decoder:
    """Opens one body. `feed` takes what came, `step` gives the next piece of what it holds."""

    def __init__(self, encoding: str) -> None:
        """Raises ValueError for an encoding that is not read."""
        self._is_gzip = encoding in ("gzip", "x-gzip")
        if not self._is_gzip and encoding != "deflate":
            raise ValueError(f"the content encoding `{encoding:.40}` is not read")
        self._opener: Any = zlib.decompressobj(_GZIP) if self._is_gzip else None
        self._left = b""
        self._is_full = False
        self._has_begun = False
        self._fed = 0
        self._opened = 0

    def check_ratio(self) -> None:
        """Look whether it opened to much more than an answer of a model does.

        Raises:
            zlib.error: it did.
        """
        if self._opened > _SMALL and self._opened > _MOST_RATIO * self._fed:
            raise zlib.error(f"the compressed body opens to over {_MOST_RATIO} times its size")

    def feed(self, data: bytes) -> None:
        """More of the compressed body."""
        self._fed += len(data)
        self._left = self._left + data if self._left else data

    @property
    def may_hold(self) -> bool:
        """Whether `step` has work."""
        return bool(self._left) or self._is_full

    def step(self) -> bytes:
        """At most `MAX_STEP` bytes; none when all that came is opened.

        Raises:
            zlib.error: the bytes are not what their encoding says.
        """
        while self._left or self._is_full:
            opener = self._opener or self._open_deflate()
            if opener.eof:
                opener = self._next_member()
            self._has_begun = True
            piece: bytes = opener.decompress(self._left, MAX_STEP)
            self._left = opener.unused_data if opener.eof else opener.unconsumed_tail
            self._is_full = len(piece) == MAX_STEP and not opener.eof
            if piece:
                self._opened += len(piece)
                return piece
        return b""

    def check_end(self) -> None:
        """The body is over.

        Raises:
            zlib.error: its compressed form is not.
        """
        if self._has_begun and not self._opener.eof:
            raise zlib.error("the compressed body is cut")

    def _open_deflate(self) -> Any:
        """`deflate` is zlib's format by the book, and raw from some hosts: the first byte tells."""
        is_zlib = self._left[0] & 0x0F == _ZLIB_METHOD
        self._opener = zlib.decompressobj(_ZLIB if is_zlib else _RAW)
        return self._opener

    def _next_member(self) -> Any:
        """There may be several of gzip in a row; after the end of deflate nothing may come."""
        if not self._is_gzip:
            raise zlib.error("bytes follow the compressed body")
        self._opener = zlib.decompressobj(_GZIP)
        return self._opener


def make_decoder(encoding: str) -> Decoder | None:
    """The decoder of a `content-encoding`, None for identity.

    Raises:
        ValueError: nobody asked for it.
    """
    wanted = encoding.strip().lower()
    return None if wanted in ("", "identity") else Decoder(wanted)
