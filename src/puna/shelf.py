"""A bounded shelf of texts in memory: what was used least recently goes first."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)


class Shelf(Generic[KeyT]):
    """Keeps texts up to a number and to the memory that they take. Not safe between threads.

    Texts, and not the objects that they stand for: their size in memory is known exactly.
    """

    def __init__(self, *, most: int = 2_000, most_bytes: int = 128 * 1024 * 1024) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._size = 0
        self._kept: OrderedDict[KeyT, str] = OrderedDict()

    @property
    def size(self) -> int:
        """The bytes that the texts take."""
        return self._size

    def put(self, key: KeyT, text: str) -> None:
        """Keep one; those not used for the longest make room. A giant is not kept."""
        self.delete(key)
        if sys.getsizeof(text) > self._most_bytes:
            return
        self._kept[key] = text
        self._size += sys.getsizeof(text)
        while len(self._kept) > self._most or self._size > self._most_bytes:
            _, gone = self._kept.popitem(last=False)
            self._size -= sys.getsizeof(gone)

    def get(self, key: KeyT) -> str | None:
        """The text, or None."""
        text = self._kept.get(key)
        if text is not None:
            self._kept.move_to_end(key)
        return text

    def delete(self, key: KeyT) -> bool:
        """Forget one; whether it was there."""
        text = self._kept.pop(key, None)
        if text is not None:
            self._size -= sys.getsizeof(text)
        return text is not None
