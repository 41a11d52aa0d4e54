"""How many values a JSON text holds, known before it is parsed.

A parsed value takes 30 to 200 bytes, however short its text: `[],` is 3 bytes, and 64 as a list. So
a limit on bytes alone bounds neither the memory nor the time that a text takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from puna.wire.surrogates import parse_json

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


@dataclass(frozen=True, slots=True)
class JSONLimits:
    """The most that a text may hold.

    Attributes:
        values: members of objects and items of lists.
        containers: objects and lists.
    """

    values: int
    containers: int

    def may_be_exceeded(self, data: bytes) -> bool:
        """A quick question: signs within strings are counted, too."""
        if len(data) <= self.containers:
            return False
        openers = _count(data, b"{") + _count(data, b"[")
        if openers > self.containers:
            return True
        return len(data) > self.values and _count(data, b",") + openers > self.values

    def exceeded_by(self, data: bytes) -> str | None:
        """What a text holds too much of, in words for an error; None where all is well.

        Exact for valid JSON. Takes one step for each string, and stops at the limits.
        """
        if not self.may_be_exceeded(data):
            return None
        openers = commas = at = 0
        for string in _STRING.finditer(data):
            between = data[at : string.start()]
            openers += between.count(b"{") + between.count(b"[")
            commas += between.count(b",")
            at = string.end()
            if openers > self.containers or commas + openers > self.values:
                break
        else:
            rest = data[at:]
            openers += rest.count(b"{") + rest.count(b"[")
            commas += rest.count(b",")
        if openers > self.containers:
            return f"{self.containers:,} lists and objects"
        if commas + openers > self.values:
            return f"{self.values:,} values"
        return None


_SHORT = 65_536
"""Bytes of a text that holds few values, and of which a copy costs little."""

_FEW_CONTAINERS, _FEW_VALUES = 100_000, 500_000
_BYTES_A_CONTAINER, _BYTES_A_VALUE = 20, 3
"""Of an answer with log probabilities, and of one with vectors."""


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
            _FEW_VALUES + size // _BYTES_A_VALUE, _FEW_CONTAINERS + size // _BYTES_A_CONTAINER
        )
        too_much = limits.exceeded_by(data)
        if too_much is not None:
            raise ValueError(f"it holds more than {too_much}")
    return parse_json(data)
