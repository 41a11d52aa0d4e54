"""What every store of responses offers."""

from __future__ import annotations

from typing import Protocol

from puna.bridges.responses.stored import StoredResponse


class ResponseStore(Protocol):
    """Responses by the key that made them; of another key's it knows nothing.

    Raises:
        ServiceUnavailableError: from all but `close`, where the store cannot be used.
    """

    async def put(self, stored: StoredResponse) -> None:
        """Keep a response."""
        ...

    async def get(self, owner: str, response_id: str) -> StoredResponse | None:
        """A response that this owner made, or None."""
        ...

    async def find_item(self, owner: str, item_id: str) -> StoredResponse | None:
        """The response of this owner that an item was new in, or None."""
        ...

    async def delete(self, owner: str, response_id: str) -> bool:
        """Forget a response; whether it was there."""
        ...

    async def close(self) -> None:
        """Let go of files."""
        ...
