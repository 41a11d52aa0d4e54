"""Separates reasoning that a model writes between `<think>` and `</think>` from the text.

Only at the beginning of an answer: elsewhere the tags are part of the text. Reasoning that is never
closed goes to the end. White space around it belongs to neither side.

States, each a method: `_before_tag` (white space and perhaps a tag), `_after_opening`,
`_inside_thoughts`, `_after_thoughts`, `_all_text`. A piece that may still become a tag is held, so
the text may be cut anywhere.
"""

from __future__ import annotations

from typing import Literal

OPEN = "<think>"
CLOSE = "</think>"

Kind = Literal["thought", "text"]
Piece = tuple[Kind, str]


class ThinkTags:
    """Separates thoughts from one text that is fed in pieces.

    Gives pairs of kind (`thought` or `text`) and text. The state is a method: what to do next.
    """

    def __init__(self) -> None:
        self._state = self._before_tag
        self._held = ""

    @property
    def is_over(self) -> bool:
        """Whether all further input is text."""
        return self._state == self._all_text

    def feed(self, text: str) -> list[Piece]:
        """Add a piece. Returns what is decided."""
        pieces: list[Piece] = []
        self._held += text
        state = None
        while self._held and state != self._state:
            state = self._state
            pieces += state()
        return [piece for piece in pieces if piece[1]]

    def stop(self) -> list[Piece]:
        """Treat all further input as text, because the host sends thoughts itself.

        Returns what was held.
        """
        pieces = self.close()
        self._state = self._all_text
        return pieces

    def close(self) -> list[Piece]:
        """End the text. Returns what was held."""
        held, self._held = self._held, ""
        kind: Kind = "thought" if self._state == self._inside_thoughts else "text"
        if self._state in (self._after_thoughts, self._after_opening):
            held = ""
        return [(kind, held)] if held else []

    def _before_tag(self) -> list[Piece]:
        """First state: skip white space, and look for the opening tag."""
        said = self._held.lstrip()
        if said.startswith(OPEN):
            self._held = said[len(OPEN) :]
            self._state = self._after_opening
        elif said and not OPEN.startswith(said):
            self._state = self._all_text
        return []

    def _after_opening(self) -> list[Piece]:
        """State: skip line breaks after the opening tag."""
        self._held = self._held.lstrip("\n")
        if self._held:
            self._state = self._inside_thoughts
        return []

    def _inside_thoughts(self) -> list[Piece]:
        """State: give thoughts until the closing tag; line breaks before the tag are dropped."""
        thought, tag, rest = self._held.partition(CLOSE)
        if tag:
            self._held = rest
            self._state = self._after_thoughts
            return [("thought", thought.rstrip("\n"))]
        kept = _may_become(CLOSE, self._held)
        said = self._held[: len(self._held) - kept]
        # A line break before the closing tag is no part of the thought.
        ready = said.rstrip("\n")
        self._held = self._held[len(ready) :]
        return [("thought", ready)]

    def _after_thoughts(self) -> list[Piece]:
        """State: skip white space after the closing tag."""
        self._held = self._held.lstrip()
        if self._held:
            self._state = self._all_text
        return []

    def _all_text(self) -> list[Piece]:
        """Last state: give everything as text."""
        text, self._held = self._held, ""
        return [("text", text)]


def split_thoughts(text: str) -> tuple[str, str]:
    """Separate a whole text; gives the reasoning and the rest."""
    tags = ThinkTags()
    pieces = [*tags.feed(text), *tags.close()]
    thought = "".join(said for kind, said in pieces if kind == "thought")
    return thought, "".join(said for kind, said in pieces if kind == "text")


def _may_become(tag: str, text: str) -> int:
    """How many characters at the end of a text may be the beginning of the tag."""
    return next((n for n in range(len(tag) - 1, 0, -1) if text.endswith(tag[:n])), 0)
