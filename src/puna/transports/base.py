"""The protocols of a transport and of the reply that it opens, synchronous and for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Final, Protocol

from puna.wire.http import HTTPRequest

MOST_BODY_BYTES: Final = 256 * 1024 * 1024
"""The longest body that is kept whole, opened: of a reply that is no stream, or of an error."""


class OpenReply(Protocol):
    """A reply whose headers have arrived and whose body is not read yet.

    It must always be closed.
    """

    status: int
    headers: Mapping[str, str]

    def read(self) -> bytes:
        """The whole body, decompressed, within the request's total time.

        Raises:
            APITimeoutError: the body did not end in time.
            APIConnectionError: the connection broke, or the body is longer than any answer.
        """
        ...

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives, decompressed, in pieces of any size."""
        ...

    def limit(self, within_s: float) -> None:
        """Make `pieces` raise APITimeoutError if the body goes on `within_s` seconds from now."""
        ...

    def finish(self, within_s: float) -> None:
        """Read the end of a body whose content is complete, so that the connection can be reused.

        Waits at most `within_s` seconds, then closes the connection. Never raises.
        """
        ...

    def close(self) -> None:
        """Return the connection to its pool if the body was read to its end, else close it.

        Idempotent.
        """
        ...


class Transport(Protocol):
    """Sends requests for synchronous callers. Safe to share between threads."""

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
        """The whole body, decompressed, within the request's total time.

        Raises as `OpenReply.read`.
        """
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives, decompressed, in pieces of any size."""
        ...

    async def close(self) -> None:
        """Return the connection to its pool if the body was read to its end, else close it.

        Idempotent.
        """
        ...


class AsyncTransport(Protocol):
    """Sends requests for asyncio callers, in one event loop."""

    async def open(self, request: HTTPRequest) -> AsyncOpenReply:
        """Send the request and wait for the reply's headers; raises as `Transport.open`."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
