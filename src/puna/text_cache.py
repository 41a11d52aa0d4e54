"""A bounded cache of texts in memory that evicts the least recently used entry first."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)


class TextCache(Generic[KeyT]):
    """Caches texts by key, up to a number of entries and a number of bytes.

    Not safe between threads.

    It stores texts and not parsed objects, because the memory of a text is known exactly.
    """

    def __init__(self, *, most: int = 2_000, most_bytes: int = 128 * 1024 * 1024) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._size = 0
        self._kept: OrderedDict[KeyT, str] = OrderedDict()

    @property
    def size(self) -> int:
        """The bytes of memory that the cached texts take."""
        return self._size

    def put(self, key: KeyT, text: str) -> None:
        """Store a text; evict the least recently used ones until the limits hold again.

        A text that is larger than the whole cache is not stored.
        """
        self.delete(key)
        if sys.getsizeof(text) > self._most_bytes:
            return
        self._kept[key] = text
        self._size += sys.getsizeof(text)
        while len(self._kept) > self._most or self._size > self._most_bytes:
            _, gone = self._kept.popitem(last=False)
            self._size -= sys.getsizeof(gone)

    def get(self, key: KeyT) -> str | None:
        """The text stored under a key, or None. The entry counts as just used."""
        text = self._kept.get(key)
        if text is not None:
            self._kept.move_to_end(key)
        return text

    def delete(self, key: KeyT) -> bool:
        """Remove the entry of a key; gives whether there was one."""
        text = self._kept.pop(key, None)
        if text is not None:
            self._size -= sys.getsizeof(text)
        return text is not None
