"""A text that is still arriving, and incremental parsers over it.

A parser here is a generator (`Parsing`). It yields when it needs more text to decide. So its result
depends on the text alone, never on how the text was cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from typing import TypeVar

from puna.rescue.brackets import BracketScan
from puna.rescue.tools import FoundCall

T = TypeVar("T")
Parsing = Generator[None, None, T]
"""A question under way."""

Calls = list[FoundCall]
Found = tuple[int, Calls]
"""Where the text behind the calls goes on, and the calls."""

BLANK = re.compile(r"[ \t\r\n]*")
END_TOKENS = ("<|eom_id|>", "<|eot_id|>", "<|python_end|>")
_CLOSING_TAGS = ("</function>", "</tool_call>", "</tool_calls>")

LONGEST = 262_144
"""A longer call is none: what is held back has a limit."""


class NoCall(Exception):  # noqa: N818 - it says where to read on, and never leaves the package
    """Raised by parsers of calls: there is no call at this position.

    `resume` is the index from which the next may begin; None where no call can follow.
    """

    def __init__(self, resume: int | None) -> None:
        super().__init__(resume)
        self.resume = resume


class PartialText:
    """The text received so far, with parsers that wait for more of it.

    Indexes count from its start.
    """

    def __init__(self) -> None:
        self.text = ""
        self.is_whole = False
        self.rejected = 0
        """Characters within brackets that were rejected through and are no call."""

    def forget(self, count: int) -> None:
        """Drop the first characters, which were decided; later indexes count from there."""
        self.text = self.text[count:]

    def peek(self, at: int) -> Parsing[str]:
        """Parse one character at an index; an empty text behind the end."""
        while at >= len(self.text) and not self.is_whole:
            yield
        return self.text[at : at + 1]

    def skip_blank(self, at: int) -> Parsing[int]:
        """Skip white space: the index of the next character.

        Raises `NoCall` after too many blanks.
        """
        most = at + LONGEST
        while True:
            at = min(end_of_blank(self.text, at), most)
            if at < len(self.text) or self.is_whole:
                return at
            yield

    def match_one(self, at: int, options: tuple[str, ...]) -> Parsing[str]:
        """Parse one of the options at an index; an empty text for none.

        No option may be the beginning of another.
        """
        longest = max(map(len, options))
        while True:
            rest = self.text[at : at + longest]
            for option in options:
                if rest.startswith(option):
                    return option
            if self.is_whole or not any(option.startswith(rest) for option in options):
                return ""
            yield

    def match_while(
        self, at: int, pattern: re.Pattern[str], may_match: Callable[[str], bool]
    ) -> Parsing[str]:
        """Parse all that `pattern` matches at an index.

        Gives an empty text as soon as `may_match` says that the part so far cannot become a match.
        """
        while True:
            found = pattern.match(self.text, at)
            part = found.group() if found else ""
            if not may_match(part):
                return ""
            if at + len(part) < len(self.text) or self.is_whole:
                return part
            yield

    def read_brackets(
        self,
        at: int,
        read: Callable[[str], Calls | None],
        *,
        is_python: bool = False,
        needs_tag: bool = False,
    ) -> Parsing[Found]:
        """Parse the bracketed text at an index with `read`, which gives its calls or None.

        A missing last bracket at the end of the message is allowed, because models forget it; with
        `needs_tag` only before a closing tag, without which the text may have been cut.

        Raises:
            NoCall: it is something else, or never ends.
        """
        scan = BracketScan(at, is_python=is_python, most=LONGEST)
        end = scan.advance(self.text)
        while end is None:
            if len(self.text) - at > LONGEST:
                self.rejected += LONGEST
                raise NoCall(None)
            if self.is_whole:
                return self._read_unclosed(at, scan.missing, read, needs_tag=needs_tag)
            yield
            end = scan.advance(self.text)
        if end - at > LONGEST:
            raise NoCall(None)
        calls = None if scan.is_broken else read(self.text[at:end])
        if not calls:
            self.rejected += end - at
            raise NoCall(end)
        return end, calls

    def _read_unclosed(
        self, at: int, missing: str, read: Callable[[str], Calls | None], *, needs_tag: bool
    ) -> Found:
        """The calls of a bracketed text whose last bracket is missing."""
        body, has_tag = _strip_end(self.text[at:])
        calls = read(body + missing) if missing in "]}" and has_tag >= needs_tag else None
        if not missing or not calls:
            raise NoCall(None)
        return len(self.text), calls


def end_of_blank(text: str, at: int) -> int:
    """The index after the white space at an index."""
    found = BLANK.match(text, at)
    return found.end() if found else at


def _strip_end(text: str) -> tuple[str, bool]:
    """A text without the end tokens and closing tags behind it, and whether there was a tag."""
    has_tag = False
    while True:
        text = text.rstrip(" \t\r\n")
        last = next((t for t in (*END_TOKENS, *_CLOSING_TAGS) if text.endswith(t)), "")
        if not last:
            return text, has_tag
        has_tag = has_tag or last in _CLOSING_TAGS
        text = text.removesuffix(last)
