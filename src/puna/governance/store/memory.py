"""A store in this process, bounded: what was used least recently goes first."""

from __future__ import annotations

from puna.bridges.responses.stored import StoredResponse
from puna.shelf import Shelf

ResponseShelf = Shelf[tuple[str, str]]
"""The texts of responses by owner and id."""


class MemoryStore:
    """For one event loop. Each worker process has its own. Nothing raises."""

    def __init__(self, shelf: ResponseShelf | None = None) -> None:
        self._shelf = shelf or ResponseShelf()
        self._items = ResponseShelf(most=20_000)

    async def put(self, stored: StoredResponse) -> None:
        """Keep a response."""
        self._shelf.put((stored.owner, stored.response_id), stored.to_json())
        for item_id in stored.item_ids:
            key = (stored.owner, item_id)
            if self._shelf.get((stored.owner, self._items.get(key) or "")) is None:
                self._items.put(key, stored.response_id)

    async def get(self, owner: str, response_id: str) -> StoredResponse | None:
        """A response that this owner made, or None."""
        text = self._shelf.get((owner, response_id))
        return StoredResponse.from_json(response_id, owner, text) if text is not None else None

    async def find_item(self, owner: str, item_id: str) -> StoredResponse | None:
        """The response of this owner that an item was new in, or None."""
        response_id = self._items.get((owner, item_id))
        return await self.get(owner, response_id) if response_id is not None else None

    async def delete(self, owner: str, response_id: str) -> bool:
        """Forget a response; whether it was there."""
        return self._shelf.delete((owner, response_id))

    async def close(self) -> None:
        """Nothing is open."""
