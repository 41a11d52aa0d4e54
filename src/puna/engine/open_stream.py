"""A stream under way for an asyncio caller: its pieces are read, its chunks given, its end settled.

Once the answer is complete the caller goes on; what the host adds behind it is read meanwhile, so
that the connection can serve again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

from puna.engine.aside import A_PIECE, A_TURN, LONG_BODY, run_step
from puna.engine.ending import Ending
from puna.engine.native_delivery import AnyDelivery
from puna.engine.run import CallRun
from puna.engine.streams import TAIL_S, AsyncStream
from puna.errors import APIError
from puna.transports.base import AsyncOpenReply
from puna.wire.http import HTTPReply


class OpenStream:
    """A streamed reply whose first chunk is there; no reply where the whole answer is."""

    def __init__(
        self,
        settle: Callable[..., Awaitable[None]],
        run: CallRun[Any, Any, Any],
        delivery: AnyDelivery,
        reply: AsyncOpenReply | None,
        *,
        is_long: bool = False,
    ) -> None:
        self._is_long = is_long
        self._settle = settle
        self._run = run
        self._delivery = delivery
        self._reply = reply
        self._pieces: AsyncIterator[bytes] | None = None
        self._is_closed = False
        self._ending = Ending(run.clock)
        self._ready = 0
        self._left = b""
        self._turn_bytes = 0

    async def begin(self, reply: AsyncOpenReply) -> None:
        """Read up to the first chunk, so that failures before it can be tried again."""
        delivery = self._delivery
        try:
            if delivery.needs_whole(reply.status, reply.headers):
                whole = HTTPReply(reply.status, reply.headers, await reply.read())
                is_long = self._is_long or len(whole.body) > LONG_BODY
                await run_step(is_long, delivery.feed_reply, whole)
                return
            self._pieces = reply.pieces()
            while not delivery.has_begun and not delivery.is_over:
                await run_step(self._is_long, delivery.feed, await self._next())
        except APIError as error:
            raise delivery.broken(error) from error.__cause__
        except asyncio.CancelledError:  # the caller left: what came so far was used
            delivery.finish()
            raise

    def stream(self) -> AsyncStream[Any]:
        """The chunks for their caller."""
        return AsyncStream(self.chunks(), self.abandon, self._run.report, lambda: self._ready > 0)

    async def chunks(self) -> AsyncGenerator[Any, None]:
        """All chunks, or events; at the end the upstream is closed and the call settled."""
        delivery, is_long = self._delivery, self._is_long
        try:
            while True:
                ready = delivery.drain()
                self._ready = len(ready)
                for chunk in ready:
                    self._ready -= 1
                    yield chunk
                if delivery.is_over:
                    break
                piece = await self._next()
                if is_long:
                    await run_step(is_long, delivery.feed, piece)
                else:  # as nearly each piece: without a coroutine
                    delivery.feed(piece)
            delivery.check()
        except APIError as error:
            raised = delivery.broken(error)
            await self._close()
            await self._settle(self._run, "failure", error=raised)
            for chunk in delivery.drain():
                yield chunk
            raise raised from error.__cause__
        except Exception as error:  # not the caller's doing, so the call was not left
            await self._close()
            await self._settle(self._run, "failure", error=error)
            raise
        else:
            await self._leave_tail()
            await self._settle(self._run, "success")
        finally:
            await self.abandon()

    async def abandon(self) -> None:
        """Close the upstream; a call that has not ended is settled as cancelled."""
        await self._close()
        await self._settle(self._run, "cancelled")

    async def _next(self) -> bytes | None:
        """The next bytes; None at the end, and when a whole answer has waited for it too long.

        Bytes that are there already do not hold the event loop: others get a turn after some.
        """
        piece: bytes | None = self._left
        if not piece:
            if self._pieces is None:
                return None
            ending_s = self._delivery.ending_s
            if ending_s is None:
                piece = await anext(self._pieces, None)
            else:
                piece = await self._last_piece(self._pieces, ending_s)
            if piece is None:
                return None
        if self._turn_bytes > A_TURN:
            self._turn_bytes = 0
            await asyncio.sleep(0)
        if len(piece) > A_TURN:
            self._left, piece = piece[A_TURN:], piece[:A_TURN]
        elif self._left:
            self._left = b""
        self._turn_bytes += len(piece) + A_PIECE
        return piece

    async def _last_piece(self, pieces: AsyncIterator[bytes], ending_s: float) -> bytes | None:
        """The next bytes of an answer that is whole; None at the end, or after `ending_s`."""
        self._ending.limit(ending_s)
        left_s = self._ending.left_s
        if left_s <= 0:
            return None
        try:
            async with asyncio.timeout(left_s):
                return await anext(pieces, None)
        except TimeoutError:
            return None

    async def _leave_tail(self) -> None:
        """The answer is whole, so its caller goes on; the rest of the body is read meanwhile."""
        self._is_closed = True
        self._delivery.finish()
        if self._reply is not None:
            task = asyncio.get_running_loop().create_task(_read_tail(self._reply, self._pieces))
            _tails.add(task)  # the loop itself keeps only a weak reference to a task
            task.add_done_callback(_tails.discard)
            await asyncio.sleep(0)  # an end that has come already is read now

    async def _close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            if self._reply is not None:
                await self._reply.close()
            self._delivery.finish()


_tails: set[asyncio.Task[None]] = set()


async def _read_tail(reply: AsyncOpenReply, pieces: AsyncIterator[bytes] | None) -> None:
    """Read the end of the body too: only then can the connection serve again."""
    try:
        with suppress(APIError, TimeoutError):
            async with asyncio.timeout(TAIL_S):
                if pieces is not None:
                    await anext(pieces, None)
    finally:
        await reply.close()
