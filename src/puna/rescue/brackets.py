"""Finds the end of a bracketed text incrementally: each character is looked at once."""

from __future__ import annotations

import re
import sys

_CLOSERS = {"{": "}", "[": "]", "(": ")"}
_JSON = re.compile(r'["{}\[\]]')
_PYTHON = re.compile(r"""["'{}\[\]()]""")
_IN_STRING = {'"': re.compile(r'["\\]'), "'": re.compile(r"['\\]")}


class BracketScan:
    """Scans for the closing bracket; call `advance` with the text known so far.

    Attributes:
        is_broken: a bracket closed one of another kind, so there is no end.
    """

    def __init__(self, start: int, *, is_python: bool = False, most: int = sys.maxsize) -> None:
        """`start` is the index of the opening bracket.

        After `most` characters the scan gives up.
        """
        self.is_broken = False
        self._stop = min(sys.maxsize, start + most)
        self._position = start
        self._marks = _PYTHON if is_python else _JSON
        self._open: list[str] = []
        self._quote = ""

    @property
    def missing(self) -> str:
        """The closing bracket that is missing, if only the outermost one is open.

        Else an empty text.
        """
        return self._open[0] if len(self._open) == 1 and not self._quote else ""

    def advance(self, text: str) -> int | None:
        """The index after the closing bracket; None while it is not known."""
        while True:
            marks = _IN_STRING[self._quote] if self._quote else self._marks
            found = marks.search(text, self._position, self._stop)
            if found is None:
                self._position = max(self._position, min(len(text), self._stop))
                return None
            self._position = found.end()
            self._read_mark(found.group())
            if self.is_broken or not (self._open or self._quote):
                return self._position

    def _read_mark(self, mark: str) -> None:
        """Read a bracket or a quote."""
        if mark == "\\":
            self._position += 1  # an escaped character, which may not have come yet
        elif mark == self._quote:
            self._quote = ""
        elif mark in _IN_STRING:
            self._quote = mark
        elif mark in _CLOSERS:
            self._open.append(_CLOSERS[mark])
        elif self._open.pop() != mark:
            self.is_broken = True


def end_of_brackets(text: str, start: int) -> int | None:
    """The index after the Python bracket that opens at `start`; None where it is never closed."""
    scan = BracketScan(start, is_python=True)
    end = scan.advance(text)
    return None if scan.is_broken else end
