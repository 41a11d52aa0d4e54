"""A text that is still coming, and the questions that can be asked of it.

A question is a generator: it yields while the text that came so far does not answer it. So an
answer depends on the text alone, never on how it was cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from typing import TypeVar

from puna.rescue.brackets import BracketScan
from puna.rescue.tools import FoundCall

T = TypeVar("T")
Asking = Generator[None, None, T]
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
    """There is no call at this place. `resume`: where the next may begin; None where none can."""

    def __init__(self, resume: int | None) -> None:
        super().__init__(resume)
        self.resume = resume


class KnownText:
    """The text so far; positions count from what `forget` left."""

    def __init__(self) -> None:
        self.text = ""
        self.is_whole = False
        self.looked = 0
        """Characters within brackets that were looked through and are no call."""

    def forget(self, count: int) -> None:
        """Drop the first characters: they are settled."""
        self.text = self.text[count:]

    def peek(self, at: int) -> Asking[str]:
        """The character at a position; nothing behind the end."""
        while at >= len(self.text) and not self.is_whole:
            yield
        return self.text[at : at + 1]

    def skip_blank(self, at: int) -> Asking[int]:
        """The position of the next character that is no space, or of one behind too many."""
        most = at + LONGEST
        while True:
            at = min(end_of_blank(self.text, at), most)
            if at < len(self.text) or self.is_whole:
                return at
            yield

    def match_one(self, at: int, options: tuple[str, ...]) -> Asking[str]:
        """The option that stands at a position, or nothing. None may begin another."""
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
        self, at: int, pattern: re.Pattern[str], is_hopeful: Callable[[str], bool]
    ) -> Asking[str]:
        """All that a pattern matches at a position, or nothing as soon as it is not hopeful."""
        while True:
            found = pattern.match(self.text, at)
            part = found.group() if found else ""
            if not is_hopeful(part):
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
    ) -> Asking[Found]:
        """The calls of the bracketed text at a position.

        A last bracket that never came is forgiven at the message's end: models forget it. Where
        `needs_tag`, only before a closing tag, without which the text may have been cut.

        Raises:
            NoCall: it is something else, or never ends.
        """
        scan = BracketScan(at, is_python=is_python, most=LONGEST)
        end = scan.advance(self.text)
        while end is None:
            if len(self.text) - at > LONGEST:
                self.looked += LONGEST
                raise NoCall(None)
            if self.is_whole:
                return self._read_unclosed(at, scan.missing, read, needs_tag=needs_tag)
            yield
            end = scan.advance(self.text)
        if end - at > LONGEST:
            raise NoCall(None)
        calls = None if scan.is_broken else read(self.text[at:end])
        if not calls:
            self.looked += end - at
            raise NoCall(end)
        return end, calls

    def _read_unclosed(
        self, at: int, missing: str, read: Callable[[str], Calls | None], *, needs_tag: bool
    ) -> Found:
        body, has_tag = _without_end(self.text[at:])
        calls = read(body + missing) if missing in "]}" and has_tag >= needs_tag else None
        if not missing or not calls:
            raise NoCall(None)
        return len(self.text), calls


def end_of_blank(text: str, at: int) -> int:
    """The position behind the spaces at a position."""
    found = BLANK.match(text, at)
    return found.end() if found else at


def _without_end(text: str) -> tuple[str, bool]:
    """A text without the tokens and tags at its end, and whether there was a tag."""
    has_tag = False
    while True:
        text = text.rstrip(" \t\r\n")
        last = next((t for t in (*END_TOKENS, *_CLOSING_TAGS) if text.endswith(t)), "")
        if not last:
            return text, has_tag
        has_tag = has_tag or last in _CLOSING_TAGS
        text = text.removesuffix(last)
