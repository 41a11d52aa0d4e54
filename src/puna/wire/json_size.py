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


@dataclass(frozen=True, slots=True)
class JSONLimits:
    """The most that a text may hold.

    Attributes:
        values: members of objects and items of lists.
        containers: objects and lists.
        objects: objects alone, each of which takes as much as two or three lists.
        members: members of objects alone: each name of them may be another text.
    """

    values: int
    containers: int
    objects: int = sys.maxsize
    members: int = sys.maxsize

    def may_be_exceeded(self, data: bytes) -> bool:
        """A quick question: signs within strings are counted, too."""
        if len(data) <= min(self.containers, self.objects, self.members):
            return False
        objects = _count(data, b"{")
        openers = objects + _count(data, b"[")
        if openers > self.containers or objects > self.objects:
            return True
        if len(data) > self.members and _count(data, b":") > self.members:
            return True
        return len(data) > self.values and _count(data, b",") + openers > self.values

    def exceeded_by(self, data: bytes) -> str | None:
        """What a text holds too much of, in words for an error; None where all is well.

        Exact for valid JSON. Takes one step for each string, and stops soon after a limit.
        """
        if not self.may_be_exceeded(data):
            return None
        objects = lists = members = commas = 0
        for part in _outside_strings(data):
            objects += part.count(b"{")
            lists += part.count(b"[")
            members += part.count(b":")
            commas += part.count(b",")
            if objects + lists > self.containers:
                return f"{self.containers:,} lists and objects"
            if objects > self.objects:
                return f"{self.objects:,} objects"
            if members > self.members:
                return f"{self.members:,} members of objects"
            if commas + objects + lists > self.values:
                return f"{self.values:,} values"
        return None


def _outside_strings(data: bytes) -> Iterator[bytes]:
    """What stands between the strings of a JSON text, in long pieces."""
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
        yield b"".join(pieces)
    yield data[at:]


_SHORT = 65_536
"""Bytes of a text that holds few values, and of which a copy costs little."""

_FEW = JSONLimits(values=500_000, containers=20_000, objects=10_000, members=30_000)
_BYTES_A_VALUE = 3
"""Of an answer with vectors."""

_BYTES_A_CONTAINER, _BYTES_AN_OBJECT, _BYTES_A_MEMBER = 20, 40, 13
"""Of an answer with log probabilities."""


def _count(data: bytes, sign: bytes) -> int:
    """How often a sign stands in a text.

    CPython's `replace` looks for a byte by `memchr`, many at once; its `count` looks at each.
    """
    if len(data) > _SHORT:
        return data.count(sign)
    return len(data) - len(data.replace(sign, b""))


def parse_answer(data: bytes) -> Any:
    """The value of a host's JSON, which holds no more values than the longest answers do.

    Halves of surrogate pairs are U+FFFD.

    Raises:
        ValueError: it holds more, or is no JSON.
    """
    if len(data) > _SHORT:
        size = len(data)
        limits = JSONLimits(
            _FEW.values + size // _BYTES_A_VALUE,
            _FEW.containers + size // _BYTES_A_CONTAINER,
            _FEW.objects + size // _BYTES_AN_OBJECT,
            _FEW.members + size // _BYTES_A_MEMBER,
        )
        too_much = limits.exceeded_by(data)
        if too_much is not None:
            raise ValueError(f"it holds more than {too_much}")
    return parse_json(data)
