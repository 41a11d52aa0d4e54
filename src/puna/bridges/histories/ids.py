"""Rewrites the ids of tool calls to ids that a host accepts.

A new id depends only on the given one and on how often that one came before. So it stays the same
when the conversation grows, and hosts can reuse their prompt caches.
"""

from __future__ import annotations

import hashlib
import re

from puna.bridges.histories.rules import IdRule

_ALNUM = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHORTEST = 12
"""An id of a host that wants fewer characters than this is all digest."""
_INVALID = re.compile(r"[^a-zA-Z0-9_-]+")


class CallIds:
    """Assigns the calls of one request ids that the host accepts, each a different one."""

    def __init__(self, rule: IdRule, given: frozenset[str]) -> None:
        """`given` are all ids in the caller's request; none of them is made for another call."""
        self._rule = rule
        self._used: set[str] = set()
        self._given = given
        self._counts: dict[str, int] = {}
        """Where to go on for an id that came before: from 0, n equal ids would take n² steps."""

    def fit(self, call_id: str) -> str:
        """The id to send for the next call that has `call_id` in the caller's request."""
        if call_id not in self._used and self._rule.accepts(call_id):
            self._used.add(call_id)
            return call_id
        count = self._counts.get(call_id, 0)
        while (made := self._make_id(call_id, count)) in self._used or made in self._given:
            count += 1
        self._counts[call_id] = count + 1
        self._used.add(made)
        return made

    def _make_id(self, call_id: str, count: int) -> str:
        """Make an id by the host's rule.

        It is derived from the caller's, and so the same in every request.
        """
        told = f"{count}:{call_id}".encode("utf-8", "surrogatepass")
        number = int.from_bytes(hashlib.sha256(told).digest()[:12], "big")
        digits: list[str] = []
        for _ in range(min(self._rule.length, 9)):
            number, digit = divmod(number, len(_ALNUM))
            digits.append(_ALNUM[digit])
        digest = "".join(digits)
        if self._rule.length < _SHORTEST or not self._rule.has_marks:
            return digest
        head = _INVALID.sub("_", call_id)[: self._rule.length - len(digest) - 1]
        return f"{head or 'call'}_{digest}"
