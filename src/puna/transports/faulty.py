"""Transports that inject planned faults."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from puna.transports.base import AsyncOpenReply, AsyncTransport, OpenReply, Transport
from puna.transports.faults import FaultPlan, Faults, PlannedFault
from puna.transports.replay import AsyncReplayTransport, ReplayTransport, in_order
from puna.wire.http import HTTPRequest


class FaultyTransport:
    """Sends requests by `inner`, and injects the planned `faults`. Synchronous."""

    def __init__(self, inner: Transport, faults: Faults, sleep: Callable[[float], None]) -> None:
        self._inner = inner
        self._plan = FaultPlan(faults)
        self._sleep = sleep

    def open(self, request: HTTPRequest) -> OpenReply:
        """Send the request and wait for the reply's headers, unless a fault comes first."""
        fault = self._plan.next(request)
        instead = fault.replacement_reply()
        if instead is not None:
            return ReplayTransport(in_order(instead)).open(request)
        reply = self._inner.open(request)
        return reply if fault.is_none else _FaultyReply(reply, fault, self._sleep)

    def close(self) -> None:
        """Close all connections."""
        self._inner.close()


class _FaultyReply:
    """A reply with pauses, or with a connection that is cut before its end."""

    def __init__(
        self, reply: OpenReply, fault: PlannedFault, sleep: Callable[[float], None]
    ) -> None:
        self._reply = reply
        self._fault = fault
        self._sleep = sleep
        self.status = reply.status
        self.headers = reply.headers

    def read(self) -> bytes:
        """The whole body."""
        self._pause()
        body, error = self._fault.pass_on(self._reply.read())
        if error is not None:
            raise error
        return body

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces."""
        for piece in self._reply.pieces():
            self._pause()
            kept, error = self._fault.pass_on(piece)
            if kept:
                yield kept
            if error is not None:
                raise error

    def limit(self, within_s: float) -> None:
        """Fail reads of the body that go on after `within_s` seconds from now."""
        self._reply.limit(within_s)

    def finish(self, within_s: float) -> None:
        """Read the end of the body."""
        self._reply.finish(within_s)

    def close(self) -> None:
        """Return or close the connection."""
        self._reply.close()

    def _pause(self) -> None:
        """Wait for the planned time. Raises the planned timeout."""
        seconds, error = self._fault.pause()
        if seconds:
            self._sleep(seconds)
        if error is not None:
            raise error


class AsyncFaultyTransport:
    """`FaultyTransport` for asyncio."""

    def __init__(
        self, inner: AsyncTransport, faults: Faults, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._inner = inner
        self._plan = FaultPlan(faults)
        self._sleep = sleep

    async def open(self, request: HTTPRequest) -> AsyncOpenReply:
        """Send the request and wait for the reply's headers, unless a fault comes first."""
        fault = self._plan.next(request)
        instead = fault.replacement_reply()
        if instead is not None:
            return await AsyncReplayTransport(in_order(instead)).open(request)
        reply = await self._inner.open(request)
        return reply if fault.is_none else _AsyncFaultyReply(reply, fault, self._sleep)

    async def close(self) -> None:
        """Close all connections."""
        await self._inner.close()


class _AsyncFaultyReply:
    """`_FaultyReply` for asyncio."""

    def __init__(
        self, reply: AsyncOpenReply, fault: PlannedFault, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._reply = reply
        self._fault = fault
        self._sleep = sleep
        self.status = reply.status
        self.headers = reply.headers

    async def read(self) -> bytes:
        """The whole body."""
        await self._pause()
        body, error = self._fault.pass_on(await self._reply.read())
        if error is not None:
            raise error
        return body

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body in pieces."""
        async for piece in self._reply.pieces():
            await self._pause()
            kept, error = self._fault.pass_on(piece)
            if kept:
                yield kept
            if error is not None:
                raise error

    async def close(self) -> None:
        """Return or close the connection."""
        await self._reply.close()

    async def _pause(self) -> None:
        """Wait for the planned time. Raises the planned timeout."""
        seconds, error = self._fault.pause()
        if seconds:
            await self._sleep(seconds)
        if error is not None:
            raise error
