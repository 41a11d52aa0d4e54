"""Replies for coroutines: a sink whose readers wait on futures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from puna.errors import APIError
from puna.transports.failures import timeout_error
from puna.transports.lean.exchange import Exchange
from puna.transports.lean.whole import WholeReply
from puna.wire.http import HTTPRequest

_HIGH_BYTES = 262_144


class LeanReply:
    """A reply for a coroutine: it keeps what its exchange delivers until the coroutine reads it."""

    status: int
    headers: Mapping[str, str]

    def __init__(self, request: HTTPRequest, loop: asyncio.AbstractEventLoop) -> None:
        self.exchange: Exchange | None = None
        self._request = request
        self._loop = loop
        self._began_at = loop.time()
        self._pieces: list[bytes] = []
        self._held = 0
        self._has_head = False
        self._is_over = False
        self._reads_all = False
        self._error: APIError | None = None
        self._waiter: asyncio.Future[None] | None = None

    # --- for the reader

    async def wait_head(self) -> None:
        """Wait until status and headers are there.

        Raises:
            APIConnectionError: they do not come; as APITimeoutError, not in time.
        """
        while not self._has_head:
            if self._error is not None:
                raise self._error
            await self._wait()

    async def read(self) -> bytes:
        """The whole body, within the request's total time."""
        self._reads_all = True
        self._resume()
        if not self._request.is_stream or self._request.timeouts.total_s is None:
            return await self._read()
        # The connection looks only at the pauses of a stream.
        try:
            async with asyncio.timeout_at(self._began_at + self._request.timeouts.total_s):
                return await self._read()
        except TimeoutError as error:
            raise timeout_error(self._request, is_head=False) from error

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body in pieces as they arrive.

        Reading from the socket stops while 256 KiB are unread.
        """
        while True:
            if self._pieces:
                held, self._pieces = self._pieces, []
                self._held = 0
                self._resume()
                for piece in held:
                    yield piece
            elif self._is_over:
                self._check()
                return
            else:
                await self._wait()

    async def close(self) -> None:
        """Close the connection, unless the body has ended. Idempotent."""
        self.cancel()

    def cancel(self) -> None:
        """As `close`, for code that cannot await."""
        if self.exchange is not None and not self._is_over:
            self.exchange.cancel()
        self._is_over = True
        self.exchange = None  # it holds this reply: no work for the collector
        self._pieces.clear()
        self._wake_reader()

    # --- for the exchange

    def on_head(self, status: int, headers: Mapping[str, str]) -> None:
        """The exchange's callback with status and headers."""
        self.status = status
        self.headers = headers
        self._has_head = True
        self._wake_reader()

    def on_piece(self, data: bytes) -> None:
        """The exchange's callback with bytes of the body."""
        self._pieces.append(data)
        self._held += len(data)
        if self._held > _HIGH_BYTES and not self._reads_all and self.exchange is not None:
            self.exchange.pause()
        self._wake_reader()

    def on_end(self) -> None:
        """The exchange's callback at the end of the body."""
        self._is_over = True
        self.exchange = None
        self._wake_reader()

    def on_whole(self, reply: WholeReply) -> None:
        """The exchange's callback with a reply that came in one read."""
        self.status = reply.status
        self.headers = reply.headers
        self._has_head = True
        if reply.body:
            self._pieces.append(reply.body)
        self.on_end()

    def on_error(self, error: APIError) -> None:
        """The exchange's callback when there is no reply, or when it broke."""
        self._error = error
        self._is_over = True
        self.exchange = None
        self._wake_reader()

    async def _read(self) -> bytes:
        """Wait for the end of the reply, and join its pieces."""
        while not self._is_over:
            await self._wait()
        self._check()
        held, self._pieces = self._pieces, []
        return held[0] if len(held) == 1 else b"".join(held)

    def _check(self) -> None:
        """Raise the error that ended the reply, if any."""
        if self._error is not None:
            raise self._error

    async def _wait(self) -> None:
        """Wait for the next callback of the exchange."""
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake_reader(self) -> None:
        """Wake the reader."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _resume(self) -> None:
        """Let the exchange read on, if it was paused."""
        if self.exchange is not None:
            self.exchange.resume()
