"""A response store in the memory of this process, bounded; the least recently used is evicted."""

from __future__ import annotations

from puna.bridges.responses.stored import StoredResponse
from puna.text_cache import TextCache

ResponseCache = TextCache[tuple[str, str]]
"""The texts of responses by owner and id."""


class MemoryStore:
    """Stores responses in memory, for one event loop. Each worker process has its own.

    Never raises.
    """

    def __init__(self, cache: ResponseCache | None = None) -> None:
        self._texts = cache or ResponseCache()
        self._items = ResponseCache(most=20_000)

    async def put(self, stored: StoredResponse) -> None:
        """Store a response, in place of an older one with the same id and owner."""
        self._texts.put((stored.owner, stored.response_id), stored.to_json())
        for item_id in stored.item_ids:
            key = (stored.owner, item_id)
            if self._texts.get((stored.owner, self._items.get(key) or "")) is None:
                self._items.put(key, stored.response_id)

    async def get(self, owner: str, response_id: str) -> StoredResponse | None:
        """A response that this owner made, or None."""
        text = self._texts.get((owner, response_id))
        return StoredResponse.from_json(response_id, owner, text) if text is not None else None

    async def find_item(self, owner: str, item_id: str) -> StoredResponse | None:
        """The response of this owner that an item was new in, or None."""
        response_id = self._items.get((owner, item_id))
        return await self.get(owner, response_id) if response_id is not None else None

    async def delete(self, owner: str, response_id: str) -> bool:
        """Delete a response of this owner; gives whether there was one."""
        return self._texts.delete((owner, response_id))

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""
