"""What a transport is. One verb: `open`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Final, Protocol

from puna.wire.http import HTTPRequest

MOST_BODY_BYTES: Final = 256 * 1024 * 1024
"""The longest body that is kept whole, opened: of a reply that is no stream, or of an error."""


class OpenReply(Protocol):
    """A reply whose headers have come and whose body has not been read. Close it, always."""

    status: int
    headers: Mapping[str, str]

    def read(self) -> bytes:
        """The whole body, decompressed, within the request's total time.

        Raises:
            APIConnectionError: it is longer than any answer, as well as what `open` raises.
        """
        ...

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces as they arrive, decompressed."""
        ...

    def limit(self, within_s: float) -> None:
        """Make `pieces` raise APITimeoutError when the body has not ended after so many seconds."""
        ...

    def finish(self, within_s: float) -> None:
        """Read the end of a body that has said all, so that the connection can serve again.

        A host that does not end its body in time has its connection cut. Never raises.
        """
        ...

    def close(self) -> None:
        """Give the connection back if the body was read to its end, else cut it. Idempotent."""
        ...


class Transport(Protocol):
    """Carries requests for synchronous callers. Safe to share between threads."""

    def open(self, request: HTTPRequest) -> OpenReply:
        """Send the request and wait for the reply's headers.

        Raises:
            APITimeoutError: no answer in time.
            APIConnectionError: no connection, or it broke.
        """
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


class AsyncOpenReply(Protocol):
    """`OpenReply` for asyncio."""

    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """The whole body, decompressed, within the request's total time."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The body in pieces as they arrive, decompressed."""
        ...

    async def close(self) -> None:
        """Give the connection back if the body was read to its end, else cut it. Idempotent."""
        ...


class AsyncTransport(Protocol):
    """Carries requests for asyncio callers, in one event loop."""

    async def open(self, request: HTTPRequest) -> AsyncOpenReply:
        """As `Transport.open`."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
