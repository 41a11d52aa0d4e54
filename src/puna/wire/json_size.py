"""Counts the values of a JSON text before it is parsed, to limit memory and time.

A parsed value takes 30 to 200 bytes, however short its text: `[],` is 3 bytes, and 64 as a list. So
a limit on the bytes of a text alone limits neither.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from puna.wire.octets import BACKSLASH
from puna.wire.surrogates import parse_json

_BACKSLASHES = re.compile(rb"\\*+")
_WINDOW = 4_096
"""Bytes that are looked at together: a part may take 40 bytes of memory for each two of them."""
_VALUES_OF_A_SHORT_LIST = 8

CONTAINERS = "lists and objects"
"""What `JSONLimits.containers` limits, in the words of errors."""


@dataclass(frozen=True, slots=True)
class JSONLimits:
    """The most values of each kind that a JSON text may hold.

    Attributes:
        values: members of objects and items of lists.
        containers: objects and lists.
        objects: objects alone, each of which takes as much as two or three lists.
        members: members of objects alone, since each name may be another string.
        items: values beyond eight for each list and object, as only long lists have them.
        strings: strings that are not names of members.
    """

    values: int
    containers: int
    objects: int = sys.maxsize
    members: int = sys.maxsize
    items: int = sys.maxsize
    strings: int = sys.maxsize

    def for_answer(self, size: int, *, has_vectors: bool = False) -> JSONLimits:
        """The limits for a host's JSON of `size` bytes: a longer one may hold more.

        With `has_vectors` the text may consist of lists of numbers.
        """
        return JSONLimits(
            self.values + size // _BYTES_A_VALUE,
            self.containers + size // _BYTES_A_CONTAINER,
            self.objects + size // _BYTES_AN_OBJECT,
            self.members + size // _BYTES_A_MEMBER,
            items=sys.maxsize if has_vectors else self.items + size // _BYTES_AN_ITEM,
            strings=self.strings + size // _BYTES_A_STRING,
        )

    def check(self, data: bytes) -> None:
        """Raise TooManyValuesError if a text exceeds a limit."""
        too_much = self.exceeded_by(data)
        if too_much is not None:
            raise TooManyValuesError(f"holds more than {too_much}")

    def may_be_exceeded(self, data: bytes) -> bool:
        """Whether a text may exceed a limit. Cheap: characters within strings are counted, too."""
        if len(data) <= min(self.containers, self.objects, self.members, self.items, self.strings):
            return False
        objects = _count_byte(data, b"{")
        openers = objects + _count_byte(data, b"[")
        if openers > self.containers or objects > self.objects:
            return True
        if len(data) > self.members and _count_byte(data, b":") > self.members:
            return True
        if len(data) > self.strings and _count_byte(data, b'"') > 2 * self.strings:
            return True
        if len(data) <= min(self.values, self.items):
            return False
        commas = _count_byte(data, b",")
        return commas + openers > self.values or commas > self.items

    def exceeded_by(self, data: bytes) -> str | None:
        """The limit that a text exceeds, in words for an error; None where it exceeds none.

        Exact for valid JSON. It takes one step for each string, and stops soon after a limit.
        """
        if not self.may_be_exceeded(data):
            return None
        objects = lists = members = commas = strings = 0
        for part, strings_before in _outside_strings(data):
            strings += strings_before
            objects += part.count(b"{")
            lists += part.count(b"[")
            members += part.count(b":")
            commas += part.count(b",")
            containers = objects + lists
            too_much = _first_above(
                (containers, self.containers, CONTAINERS),
                (objects, self.objects, "objects"),
                (members, self.members, "members of objects"),
                (commas + containers, self.values, "values"),
            )
            if too_much is not None:
                return too_much
        items = commas + objects + lists - _VALUES_OF_A_SHORT_LIST * (objects + lists)
        return _first_above(
            (items, self.items, "items of long lists"),
            (strings - members, self.strings, "strings"),
        )


def _first_above(*counts: tuple[int, int, str]) -> str | None:
    """Of (count, limit, name) triples, the first whose limit is exceeded, as text; else None."""
    return next((f"{limit:,} {name}" for count, limit, name in counts if count > limit), None)


def _outside_strings(data: bytes) -> Iterator[tuple[bytes, int]]:
    """What stands between the strings of a JSON text, by windows; how many strings begin in each.

    Without its escapes a text has only quotes that begin and end strings, in turn. Exact up to
    where the text is no valid JSON.
    """
    at = is_inside = 0
    has_escapes = BACKSLASH in data
    while at < len(data):
        end = at + _WINDOW
        if has_escapes and data[end - 1 : end] == b"\\":
            end = _BACKSLASHES.match(data, end).end() + 1  # type: ignore[union-attr] # matches anywhere
        window = data[at:end]
        if has_escapes:
            window = window.replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = window.split(b'"')
        quotes = len(parts) - 1
        yield b"".join(parts[is_inside::2]), (quotes + 1 - is_inside) // 2
        is_inside = (is_inside + quotes) % 2
        at = end


_SHORT = 65_536
"""Bytes of a text that holds few values, and of which a copy costs little."""

_FEW = JSONLimits(
    values=500_000,
    containers=20_000,
    objects=25_000,
    members=30_000,
    items=150_000,
    strings=100_000,
)
_SHORT_TEXT = 4_096
_FEW_IN_TEXT = JSONLimits(
    values=100_000,
    containers=5_000,
    objects=5_000,
    members=30_000,
    items=50_000,
    strings=20_000,
)
"""Fewer than in a whole answer, which may hold many such texts."""

_BYTES_A_VALUE = 3
"""Of an answer with vectors."""

_BYTES_A_CONTAINER, _BYTES_AN_OBJECT, _BYTES_A_MEMBER = 20, 60, 13
"""Of a chat answer with log probabilities."""

_BYTES_AN_ITEM, _BYTES_A_STRING = 12, 20
"""Of a text completion with log probabilities: one list of tokens, others of numbers."""


def _count_byte(data: bytes, sign: bytes) -> int:
    """How often a byte occurs in a text.

    CPython's `replace` searches by `memchr`, many bytes at once; its `count` looks at each byte.
    """
    if len(data) > _SHORT:
        return data.count(sign)
    return len(data) - len(data.replace(sign, b""))


_STEPS = bytes(2 if octet in b"[{" else 0 for octet in range(256))
_NO_BRACKETS = bytes(octet for octet in range(256) if octet not in b"[]{}")


def nesting_depth(data: bytes) -> int:
    """How deeply lists and objects are nested in valid JSON; 0 without any.

    Takes one step for each string and each bracket.
    """
    brackets = (part.translate(_STEPS, _NO_BRACKETS) for part, _ in _outside_strings(data))
    return max(accumulate(step - 1 for part in brackets for step in part), default=0)


class TooManyValuesError(ValueError):
    """A host's JSON holds more values than any real answer; the message says what holds them."""


def parse_answer(data: bytes, *, has_vectors: bool = False) -> Any:
    """Parse a host's JSON, which may hold no more values than the longest answers do.

    Args:
        data: the JSON. Halves of surrogate pairs become U+FFFD.
        has_vectors: whether it may consist of lists of numbers.

    Raises:
        TooManyValuesError: it holds more.
        ValueError: it is not JSON.
    """
    if len(data) > _SHORT:
        _FEW.for_answer(len(data), has_vectors=has_vectors).check(data)
    return parse_json(data)


def check_nested_json(text: str) -> None:
    """Check whether a JSON text inside another, such as a call's arguments, may be parsed.

    Raises:
        TooManyValuesError: it holds more values than a model writes at such a length.
    """
    if len(text) <= _SHORT_TEXT:
        return
    data = text.encode("utf-8", "surrogatepass")
    _FEW_IN_TEXT.for_answer(len(data)).check(data)


def describe_fault(error: ValueError, default: str) -> str:
    """The words for an error of `parse_answer`: what there was too much of, or `default`."""
    return f"JSON that {error}" if isinstance(error, TooManyValuesError) else default
