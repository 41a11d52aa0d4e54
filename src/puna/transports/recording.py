"""Transports that have a recorder write down what passes through them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from puna.errors import APIError
from puna.transports.base import AsyncOpenReply, AsyncTransport, OpenReply, Transport
from puna.transports.takes import Recorder, Take
from puna.wire.http import HTTPRequest


class RecordingTransport:
    """Sends requests by `inner`, and records them and their replies. Synchronous."""

    def __init__(self, inner: Transport, recorder: Recorder) -> None:
        self._inner = inner
        self._recorder = recorder

    def open(self, request: HTTPRequest) -> OpenReply:
        """Send the request and wait for the reply's headers."""
        take = self._recorder.begin(request)
        try:
            reply = self._inner.open(request)
        except APIError as error:
            take.broke(error)
            raise
        take.head(reply.status, reply.headers)
        return _RecordingReply(reply, take)

    def close(self) -> None:
        """Close all connections, and the recording."""
        self._inner.close()
        self._recorder.close()


class _RecordingReply:
    """A reply whose pieces are recorded as they are read."""

    def __init__(self, reply: OpenReply, take: Take) -> None:
        self._reply = reply
        self._take = take
        self.status = reply.status
        self.headers = reply.headers

    def read(self) -> bytes:
        """The whole body."""
        try:
            body = self._reply.read()
        except APIError as error:
            self._take.broke(error)
            raise
        self._take.piece(body)
        self._take.whole()
        return body

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces."""
        try:
            for piece in self._reply.pieces():
                self._take.piece(piece)
                yield piece
        except APIError as error:
            self._take.broke(error)
            raise
        self._take.whole()

    def limit(self, within_s: float) -> None:
        """Fail reads of the body that go on after `within_s` seconds from now."""
        self._reply.limit(within_s)

    def finish(self, within_s: float) -> None:
        """Read the end of the body: all that it says has been read."""
        self._reply.finish(within_s)
        self._take.whole()

    def close(self) -> None:
        """Give back or cut the connection."""
        self._reply.close()
        self._take.left()


class AsyncRecordingTransport:
    """`RecordingTransport` for asyncio. The file is written in the loop: it is for tests."""

    def __init__(self, inner: AsyncTransport, recorder: Recorder) -> None:
        self._inner = inner
        self._recorder = recorder

    async def open(self, request: HTTPRequest) -> AsyncOpenReply:
        """As `RecordingTransport.open`."""
        take = self._recorder.begin(request)
        try:
            reply = await self._inner.open(request)
        except APIError as error:
            take.broke(error)
            raise
        take.head(reply.status, reply.headers)
        return _AsyncRecordingReply(reply, take)

    async def close(self) -> None:
        """Close all connections, and the recording."""
        await self._inner.close()
        self._recorder.close()


class _AsyncRecordingReply:
    """`_RecordingReply` for asyncio."""

    def __init__(self, reply: AsyncOpenReply, take: Take) -> None:
        self._reply = reply
        self._take = take
        self.status = reply.status
        self.headers = reply.headers

    async def read(self) -> bytes:
        """The whole body."""
        try:
            body = await self._reply.read()
        except APIError as error:
            self._take.broke(error)
            raise
        self._take.piece(body)
        self._take.whole()
        return body

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body in pieces."""
        try:
            async for piece in self._reply.pieces():
                self._take.piece(piece)
                yield piece
        except APIError as error:
            self._take.broke(error)
            raise
        self._take.whole()

    async def close(self) -> None:
        """Give back or cut the connection."""
        await self._reply.close()
        self._take.left()
