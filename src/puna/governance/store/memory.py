"""A store in this process, bounded: what was used least recently goes first."""

from __future__ import annotations

from puna.bridges.responses.stored import ResponseShelf, StoredResponse


class MemoryStore:
    """For one event loop. Each worker process has its own."""

    def __init__(self, shelf: ResponseShelf | None = None) -> None:
        self._shelf = shelf or ResponseShelf()

    async def put(self, stored: StoredResponse) -> None:
        """Keep a response."""
        self._shelf.put(stored)

    async def get(self, owner: str, response_id: str) -> StoredResponse | None:
        """A response that this owner made, or None."""
        return self._shelf.get(owner, response_id)

    async def delete(self, owner: str, response_id: str) -> bool:
        """Forget a response; whether it was there."""
        return self._shelf.delete(owner, response_id)

    async def close(self) -> None:
        """Nothing is open."""
