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

    async def put(self, stored: StoredResponse) -> None:
        """Keep a response."""
        self._shelf.put((stored.owner, stored.response_id), stored.to_json())

    async def get(self, owner: str, response_id: str) -> StoredResponse | None:
        """A response that this owner made, or None."""
        text = self._shelf.get((owner, response_id))
        return StoredResponse.from_json(response_id, owner, text) if text is not None else None

    async def delete(self, owner: str, response_id: str) -> bool:
        """Forget a response; whether it was there."""
        return self._shelf.delete((owner, response_id))

    async def close(self) -> None:
        """Nothing is open."""
