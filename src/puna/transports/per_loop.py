"""One async transport for each event loop.

Connections belong to the loop that made them. A module-level client may see several loops, one
after the other (`asyncio.run` twice), so each loop gets its own transport, closed with the loop:
`asyncio.run` does so at its end. A loop that was closed by hand, without `shutdown_asyncgens`, has
its transport abandoned when the next loop makes its first request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary

from puna.transports.base import AsyncOpenReply, AsyncTransport
from puna.wire.http import HTTPRequest


class LoopTransport(AsyncTransport, Protocol):
    """A transport that can be closed after its event loop was."""

    def abandon(self) -> None:
        """Close the sockets of an event loop that is closed. Nothing may be sent afterwards."""
        ...


T = TypeVar("T", bound=LoopTransport)


class PerLoopTransport(Generic[T]):
    """Makes one transport for each event loop, on the first request in it."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._by_loop: WeakKeyDictionary[
            asyncio.AbstractEventLoop, tuple[T, AsyncGenerator[None, None]]
        ] = WeakKeyDictionary()

    async def open(self, request: HTTPRequest) -> AsyncOpenReply:
        """Send through the running loop's transport."""
        return await self.current().open(request)

    async def close(self) -> None:
        """Close the running loop's transport."""
        held = self._by_loop.pop(asyncio.get_running_loop(), None)
        if held is not None:
            await held[1].aclose()

    def current(self) -> T:
        """The running loop's transport; made now if there is none."""
        loop = asyncio.get_running_loop()
        held = self._by_loop.get(loop)
        if held is None:
            self._abandon_closed()
            transport = self._make()
            closer = self._close_at_exit(loop, transport)
            held = self._by_loop[loop] = (transport, closer)
            with suppress(StopIteration):  # it awaits nothing before its `yield`
                closer.asend(None).send(None)
        return held[0]

    def _abandon_closed(self) -> None:
        """Close and forget the transports of closed loops, which nothing else would."""
        for loop, (transport, _) in tuple(self._by_loop.items()):
            if loop.is_closed():
                del self._by_loop[loop]
                transport.abandon()

    async def _close_at_exit(
        self, loop: asyncio.AbstractEventLoop, transport: T
    ) -> AsyncGenerator[None, None]:
        """A suspended generator that closes the transport.

        `asyncio.run` finishes these at its end.
        """
        try:
            yield
        finally:
            self._by_loop.pop(loop, None)
            await transport.close()
