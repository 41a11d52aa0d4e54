"""The protocol of a response store."""

from __future__ import annotations

from typing import Protocol

from puna.bridges.responses.stored import StoredResponse


class ResponseStore(Protocol):
    """Stores responses by the key that made them. An owner cannot see another owner's responses.

    Raises:
        ServiceUnavailableError: from each method but `close`, when the store cannot be used.
    """

    async def put(self, stored: StoredResponse) -> None:
        """Store a response, in place of an older one with the same id and owner."""
        ...

    async def get(self, owner: str, response_id: str) -> StoredResponse | None:
        """A response that this owner made, or None."""
        ...

    async def find_item(self, owner: str, item_id: str) -> StoredResponse | None:
        """The response of this owner that an item was new in, or None."""
        ...

    async def delete(self, owner: str, response_id: str) -> bool:
        """Delete a response of this owner; gives whether there was one."""
        ...

    async def close(self) -> None:
        """Close the store's files and connections."""
        ...
