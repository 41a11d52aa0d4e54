"""Thoughts that a model writes into its text, between `<think>` and `</think>`.

Only at the beginning of an answer: elsewhere the words are somebody's text. What is never closed is
thought to its end. Blanks around the thoughts belong to neither side.

States: blanks and perhaps a tag at the beginning; inside the thoughts; blanks behind them; text. A
piece that may still become a tag is held back, so pieces may be cut anywhere.
"""

from __future__ import annotations

from typing import Literal

OPEN = "<think>"
CLOSE = "</think>"

Kind = Literal["thought", "text"]
Piece = tuple[Kind, str]


class ThinkTags:
    """Takes the pieces of one text in order, gives what is known to be thought or text."""

    def __init__(self) -> None:
        self._state = self._begin
        self._held = ""

    @property
    def is_over(self) -> bool:
        """Whether all that follows is text."""
        return self._state == self._text

    def feed(self, text: str) -> list[Piece]:
        """Take the next piece."""
        pieces: list[Piece] = []
        self._held += text
        state = None
        while self._held and state != self._state:
            state = self._state
            pieces += state()
        return [piece for piece in pieces if piece[1]]

    def stop(self) -> list[Piece]:
        """All that follows is text: what was held back."""
        pieces = self.close()
        self._state = self._text
        return pieces

    def close(self) -> list[Piece]:
        """The text is over, or broke off: what was held back."""
        held, self._held = self._held, ""
        kind: Kind = "thought" if self._state == self._thought else "text"
        if self._state in (self._behind, self._opened):
            held = ""
        return [(kind, held)] if held else []

    def _begin(self) -> list[Piece]:
        said = self._held.lstrip()
        if said.startswith(OPEN):
            self._held = said[len(OPEN) :]
            self._state = self._opened
        elif said and not OPEN.startswith(said):
            self._state = self._text
        return []

    def _opened(self) -> list[Piece]:
        self._held = self._held.lstrip("\n")
        if self._held:
            self._state = self._thought
        return []

    def _thought(self) -> list[Piece]:
        thought, tag, rest = self._held.partition(CLOSE)
        if tag:
            self._held = rest
            self._state = self._behind
            return [("thought", thought.rstrip("\n"))]
        kept = _may_become(CLOSE, self._held)
        said = self._held[: len(self._held) - kept]
        # A line break before the closing tag is no part of the thought.
        ready = said.rstrip("\n")
        self._held = self._held[len(ready) :]
        return [("thought", ready)]

    def _behind(self) -> list[Piece]:
        self._held = self._held.lstrip()
        if self._held:
            self._state = self._text
        return []

    def _text(self) -> list[Piece]:
        text, self._held = self._held, ""
        return [("text", text)]


def split_thoughts(text: str) -> tuple[str, str]:
    """A whole text as its thoughts and the rest."""
    tags = ThinkTags()
    pieces = [*tags.feed(text), *tags.close()]
    thought = "".join(said for kind, said in pieces if kind == "thought")
    return thought, "".join(said for kind, said in pieces if kind == "text")


def _may_become(tag: str, text: str) -> int:
    """How many characters at the end of a text may be the beginning of a tag."""
    return next((n for n in range(len(tag) - 1, 0, -1) if text.endswith(tag[:n])), 0)
