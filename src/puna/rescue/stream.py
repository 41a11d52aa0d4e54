"""Finds calls in a text while it arrives.

States: at the beginning of a line, behind other text, in inline code, in a code fence, and plain
(no more calls are searched). The scanner moves to the next character that can begin a call, and has
a parser of `shapes.py` decide there. Text before it is emitted at once; the text that a parser is
looking at is held until it decides. White space before the first text and behind calls is held too,
because it is dropped with the calls. Invariants: the sources of all pieces add up to the message,
and the result does not depend on how the text was cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass

from puna.rescue.partial_text import Found, NoCall, Parsing, PartialText, end_of_blank
from puna.rescue.pythonic import NAME
from puna.rescue.shapes import CALL_TAGS, FUNCTION_TAG, PYTHON_TAGS, Shapes
from puna.rescue.tools import MOST_CALLS, FoundCall, KnownTools

_MARKS = re.compile(r"<(?![^|ft])|`|\{|\[|\n\n*")
_MARKS_IN_LINE = re.compile(r"<(?![^|ft])|`|\n\n*")
"""Behind text a bracket on the same line begins nothing. Tags begin with `<|`, `<f` or `<t`."""

_TICKS = re.compile(r"`{1,64}")
"""More are two fences: what stands at a position is known after so many."""
_FENCE_LENGTH = 3
CALL_STARTS = ("<", "`", "{", "[")
"""One of these stands at the beginning of every call, but for a Python call alone."""

_MOST_STEPS = 32_768
"""For openings in one message that turn out to be no calls; after them all is text."""

_STEPS_OF_OPENING = 8
_CHARACTERS_A_STEP = 64
_SINGLE_PYTHON_CALL = re.compile(rf"[ \t\r\n]*{NAME.pattern}\(")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a message. The sources of all pieces together are the message, to the byte.

    Attributes:
        source: as the model wrote it.
        text: what stays content: the source, or nothing where it was calls.
        calls: the calls in the source.
    """

    source: str
    text: str
    calls: tuple[FoundCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Rescued:
    """The result for a whole message: its content without the calls, and the calls."""

    text: str
    calls: tuple[FoundCall, ...] = ()


def find_calls(text: str, tools: KnownTools) -> Rescued:
    """Find the calls in a whole message. Without any, the text is the message, to the byte."""
    if not may_begin_call(text) or not tools.may_be_named_in(text):
        return Rescued(text)
    stream = RescueStream(tools)
    return join_pieces([*stream.feed(text), *stream.close()])


def may_begin_call(text: str) -> bool:
    """Whether a text may hold a call: a tag, a fence or a bracket, or one Python call alone.

    Cheap.
    """
    return any(sign in text for sign in CALL_STARTS) or _SINGLE_PYTHON_CALL.match(text) is not None


def join_pieces(pieces: Iterable[Piece]) -> Rescued:
    """Combine all pieces of a message."""
    pieces = tuple(pieces)
    return Rescued(
        text="".join(piece.text for piece in pieces),
        calls=tuple(call for piece in pieces for call in piece.calls),
    )


class RescueStream:
    """Finds calls in a message that is fed in pieces.

    The result is the same however the text is cut, except for the lengths of text pieces.
    """

    def __init__(self, tools: KnownTools) -> None:
        self._known = PartialText()
        self._shapes = Shapes(self._known, tools)
        self._at = 0
        self._blank = bytearray()
        """Spaces before the first text, or behind calls: they go with calls, not with text."""
        self._holds_blank = True
        self._has_text = False
        self._calls = 0
        self._begins_line = True
        self._in_code = False
        self._in_fence = False
        self._is_plain = False
        self._steps = 0
        self._pending: list[str] = []
        self._ready: list[Piece] = []
        self._work: Generator[None, None, None] = self._read()

    def feed(self, text: str) -> list[Piece]:
        """Add text. Returns the pieces that are decided now."""
        self._known.text += text
        return self._advance()

    def close(self) -> list[Piece]:
        """End the message. Returns the remaining pieces."""
        self._known.is_whole = True
        pieces = self._advance()
        blank = self._pop_blank()
        if blank:
            pieces.append(Piece(blank, "" if self._calls else blank))
        return pieces

    def release(self) -> str:
        """Stop searching. Returns the text that is held, unchanged; no further text is accepted."""
        held = self._pop_blank() + self._known.text[self._at :]
        self._known.text = ""
        self._at = 0
        self._work.close()
        return held

    def _advance(self) -> list[Piece]:
        """Run the scanner until it needs more text. Returns the pieces that are ready."""
        next(self._work, None)
        self._end_text()
        ready, self._ready = self._ready, []
        return ready

    def _read(self) -> Generator[None, None, None]:
        """The scanner, as a generator that yields when it needs more text."""
        yield from self._read_single_python_call()
        known = self._known
        while True:
            found = None if self._is_plain else self._next_mark().search(known.text, self._at)
            self._emit_text(found.start() if found else len(known.text))
            if found is not None:
                yield from self._read_mark(found.group()[0], found.end())
            elif known.is_whole:
                return
            else:
                known.forget(self._at)
                self._at = 0
                yield

    def _next_mark(self) -> re.Pattern[str]:
        """The pattern of what can begin a call in the present state."""
        if self._in_fence:
            return _TICKS
        return _MARKS if self._begins_line and not self._in_code else _MARKS_IN_LINE

    def _count_steps(self, steps: int) -> None:
        """Count work. Beyond a limit the rest is plain text, so that hostile texts cost little."""
        known = self._known
        self._steps += steps + known.rejected // _CHARACTERS_A_STEP
        known.rejected = 0
        self._is_plain = self._is_plain or self._steps > _MOST_STEPS

    def _read_single_python_call(self) -> Parsing[None]:
        """Parse the message as one Python call without brackets, where it begins like one."""
        at = yield from self._known.skip_blank(0)
        first = yield from self._known.peek(at)
        if first in ("", "<", "`", "{", "["):
            return
        try:
            end, calls = yield from self._shapes.parse_single_python_call(at)
        except NoCall as error:
            self._is_plain = error.resume is None
        else:
            self._end_calls(end, calls)

    def _read_mark(self, mark: str, end: int) -> Parsing[None]:
        """Decide what the character at the present index begins."""
        if mark == "\n":
            self._emit_text(end)
            self._begins_line, self._in_code = True, False
        elif mark == "`":
            yield from self._read_ticks()
        elif self._in_code:
            self._emit_text(self._at + 1)
        elif mark == "<":
            yield from self._read_tag()
        elif self._begins_line:
            yield from self._run_parser(
                self._shapes.parse_untagged(self._at, is_first=not self._has_text)
            )
        else:
            self._emit_text(self._at + 1)

    def _read_tag(self) -> Parsing[None]:
        """Parse what follows `<`, if it is a tag of a call."""
        tags = (*PYTHON_TAGS, FUNCTION_TAG, *CALL_TAGS)
        tag = yield from self._known.match_one(self._at, tags)
        if not tag:
            self._count_steps(1)
            self._emit_text(self._at + 1)
            return
        shapes = self._shapes
        ask: Callable[[int], Parsing[Found]]
        if tag in PYTHON_TAGS:
            ask = shapes.parse_python_tag
        elif tag == FUNCTION_TAG:
            ask = shapes.parse_function_tag
        else:
            ask = shapes.parse_call_tag
        yield from self._run_parser(ask(self._at + len(tag)))

    def _read_ticks(self) -> Parsing[None]:
        """Read backquotes: inline code, or a fence that may hold calls."""
        ticks = yield from self._known.match_while(self._at, _TICKS, lambda _: True)
        end = self._at + len(ticks)
        if len(ticks) < _FENCE_LENGTH:
            self._in_code = not self._in_fence and not self._in_code
            self._emit_text(end)
        elif self._in_fence:
            self._in_fence = False
            self._emit_text(end)
        else:
            try:
                found, calls = yield from self._shapes.parse_fenced(end)
            except NoCall as error:
                self._is_plain = error.resume is None
                self._count_steps(_STEPS_OF_OPENING)
                self._in_fence = True
                self._emit_text(end)
            else:
                self._end_calls(found, calls)

    def _run_parser(self, parsing: Parsing[Found]) -> Parsing[None]:
        """Run a parser; add its calls, or go on behind the position."""
        try:
            end, calls = yield from parsing
        except NoCall as error:
            self._is_plain = error.resume is None
            self._count_steps(_STEPS_OF_OPENING)
            self._emit_text(error.resume or self._at)
        else:
            self._end_calls(end, calls)

    def _emit_text(self, end: int) -> None:
        """Everything up to this index is text: make it ready."""
        text = self._known.text[self._at : end]
        self._at = max(self._at, end)
        if not text:
            return
        blank = end_of_blank(text, 0)
        if blank < len(text):
            self._begins_line = False
            self._has_text = True
        if self._holds_blank:
            self._blank += text[:blank].encode()
            if blank == len(text):
                return
            text = self._pop_blank() + text[blank:]
            self._holds_blank = False
        self._pending.append(text)

    def _pop_blank(self) -> str:
        """The white space that is held; none is held afterwards."""
        blank = self._blank.decode()
        self._blank.clear()
        return blank

    def _end_text(self) -> None:
        """Make a piece of the text that was emitted so far."""
        if self._pending:
            text = "".join(self._pending)
            self._pending = []
            self._ready.append(Piece(text, text))

    def _end_calls(self, end: int, calls: list[FoundCall]) -> None:
        """Make a piece of the calls that end at this index."""
        if self._calls + len(calls) > MOST_CALLS:
            self._is_plain = True
            return
        self._end_text()
        self._calls += len(calls)
        self._count_steps(_STEPS_OF_OPENING * len(calls))
        source = self._pop_blank() + self._known.text[self._at : end]
        self._at = end
        self._holds_blank = True
        self._begins_line = False
        self._ready.append(Piece(source, "", tuple(calls)))
