"""How many values a JSON text holds, known before it is parsed.

A parsed value takes 30 to 200 bytes, however short its text: `[],` is 3 bytes, and 64 as a list. So
a limit on bytes alone bounds neither the memory nor the time that a text takes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from puna.wire.surrogates import parse_json

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_STRINGS_AT_ONCE = 4_096
_VALUES_OF_A_SHORT_LIST = 8

CONTAINERS = "lists and objects"
"""What `JSONLimits.containers` limits, in the words of errors."""


@dataclass(frozen=True, slots=True)
class JSONLimits:
    """The most that a text may hold.

    Attributes:
        values: members of objects and items of lists.
        containers: objects and lists.
        objects: objects alone, each of which takes as much as two or three lists.
        members: members of objects alone: each name of them may be another text.
        items: values beyond eight for each list and object, as only long lists have them.
        strings: strings that are no names of members.
    """

    values: int
    containers: int
    objects: int = sys.maxsize
    members: int = sys.maxsize
    items: int = sys.maxsize
    strings: int = sys.maxsize

    def for_answer(self, size: int, *, has_vectors: bool = False) -> JSONLimits:
        """These limits for a host's text of `size` bytes: a longer one may hold more.

        With `has_vectors` lists of numbers may fill it.
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
        """Raise TooManyValuesError where a text holds too much of something."""
        too_much = self.exceeded_by(data)
        if too_much is not None:
            raise TooManyValuesError(f"holds more than {too_much}")

    def may_be_exceeded(self, data: bytes) -> bool:
        """A quick question: signs within strings are counted, too."""
        if len(data) <= min(self.containers, self.objects, self.members, self.items, self.strings):
            return False
        objects = _count(data, b"{")
        openers = objects + _count(data, b"[")
        if openers > self.containers or objects > self.objects:
            return True
        if len(data) > self.members and _count(data, b":") > self.members:
            return True
        if len(data) > self.strings and _count(data, b'"') > 2 * self.strings:
            return True
        if len(data) <= min(self.values, self.items):
            return False
        commas = _count(data, b",")
        return commas + openers > self.values or commas > self.items

    def exceeded_by(self, data: bytes) -> str | None:
        """What a text holds too much of, in words for an error; None where all is well.

        Exact for valid JSON. Takes one step for each string, and stops soon after a limit.
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
    """Of counts, limits and their names: the first limit that is passed, with its name."""
    return next((f"{limit:,} {name}" for count, limit, name in counts if count > limit), None)


def _outside_strings(data: bytes) -> Iterator[tuple[bytes, int]]:
    """What stands between the strings of a JSON text, in long pieces; the strings among each."""
    strings = _STRING.finditer(data)
    at = 0
    while True:
        pieces: list[bytes] = []
        for string in islice(strings, _STRINGS_AT_ONCE):
            begin, end = string.span()
            pieces.append(data[at:begin])
            at = end
        if not pieces:
            break
        yield b"".join(pieces), len(pieces)
    yield data[at:], 0


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


def _count(data: bytes, sign: bytes) -> int:
    """How often a sign stands in a text.

    CPython's `replace` looks for a byte by `memchr`, many at once; its `count` looks at each.
    """
    if len(data) > _SHORT:
        return data.count(sign)
    return len(data) - len(data.replace(sign, b""))


class TooManyValuesError(ValueError):
    """A host's JSON holds more values than the longest answers do; its text says what of."""


def parse_answer(data: bytes, *, has_vectors: bool = False) -> Any:
    """The value of a host's JSON, which holds no more values than the longest answers do.

    Args:
        data: the JSON. Halves of surrogate pairs are read as U+FFFD.
        has_vectors: whether lists of numbers may fill it.

    Raises:
        TooManyValuesError: it holds more.
        ValueError: it is no JSON.
    """
    if len(data) > _SHORT:
        _FEW.for_answer(len(data), has_vectors=has_vectors).check(data)
    return parse_json(data)


def check_text(text: str) -> None:
    """Look whether a JSON text that stands within another, as arguments of calls do, may be parsed.

    Raises:
        TooManyValuesError: it holds more values than a model writes at such a length.
    """
    if len(text) <= _SHORT_TEXT:
        return
    data = text.encode("utf-8", "surrogatepass")
    _FEW_IN_TEXT.for_answer(len(data)).check(data)


def fault_of(error: ValueError, otherwise: str) -> str:
    """What `parse_answer` refused, in words for an error: JSON of too much, or `otherwise`."""
    return f"JSON that {error}" if isinstance(error, TooManyValuesError) else otherwise
