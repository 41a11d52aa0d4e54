"""Transports that record the requests and replies that pass through them into a cassette."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from puna.errors import APIError
from puna.transports.base import AsyncOpenReply, AsyncTransport, OpenReply, Transport
from puna.transports.recorder import ExchangeRecording, Recorder
from puna.wire.http import HTTPRequest


class RecordingTransport:
    """Sends requests by `inner`, and records them and their replies. Synchronous."""

    def __init__(self, inner: Transport, recorder: Recorder) -> None:
        self._inner = inner
        self._recorder = recorder

    def open(self, request: HTTPRequest) -> OpenReply:
        """Send the request and wait for the reply's headers."""
        recording = self._recorder.begin(request)
        try:
            reply = self._inner.open(request)
        except APIError as error:
            recording.fail(error)
            raise
        recording.add_head(reply.status, reply.headers)
        return _RecordingReply(reply, recording)

    def close(self) -> None:
        """Close all connections, and finish the recording."""
        self._inner.close()
        self._recorder.close()


class _RecordingReply:
    """A reply whose pieces are recorded as they are read."""

    def __init__(self, reply: OpenReply, recording: ExchangeRecording) -> None:
        self._reply = reply
        self._recording = recording
        self.status = reply.status
        self.headers = reply.headers

    def read(self) -> bytes:
        """The whole body."""
        try:
            body = self._reply.read()
        except APIError as error:
            self._recording.fail(error)
            raise
        self._recording.add_piece(body)
        self._recording.finish()
        return body

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces."""
        try:
            for piece in self._reply.pieces():
                self._recording.add_piece(piece)
                yield piece
        except APIError as error:
            self._recording.fail(error)
            raise
        self._recording.finish()

    def limit(self, within_s: float) -> None:
        """Fail reads of the body that go on after `within_s` seconds from now."""
        self._reply.limit(within_s)

    def finish(self, within_s: float) -> None:
        """Read the end of the body, and record the reply as whole."""
        self._reply.finish(within_s)
        self._recording.finish()

    def close(self) -> None:
        """Return or close the connection; note a reply that was not read to its end."""
        self._reply.close()
        self._recording.leave()


class AsyncRecordingTransport:
    """`RecordingTransport` for asyncio. It writes the file in the event loop: it is for tests."""

    def __init__(self, inner: AsyncTransport, recorder: Recorder) -> None:
        self._inner = inner
        self._recorder = recorder

    async def open(self, request: HTTPRequest) -> AsyncOpenReply:
        """Send the request and wait for the reply's headers."""
        recording = self._recorder.begin(request)
        try:
            reply = await self._inner.open(request)
        except APIError as error:
            recording.fail(error)
            raise
        recording.add_head(reply.status, reply.headers)
        return _AsyncRecordingReply(reply, recording)

    async def close(self) -> None:
        """Close all connections, and finish the recording."""
        await self._inner.close()
        self._recorder.close()


class _AsyncRecordingReply:
    """`_RecordingReply` for asyncio."""

    def __init__(self, reply: AsyncOpenReply, recording: ExchangeRecording) -> None:
        self._reply = reply
        self._recording = recording
        self.status = reply.status
        self.headers = reply.headers

    async def read(self) -> bytes:
        """The whole body."""
        try:
            body = await self._reply.read()
        except APIError as error:
            self._recording.fail(error)
            raise
        self._recording.add_piece(body)
        self._recording.finish()
        return body

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body in pieces."""
        try:
            async for piece in self._reply.pieces():
                self._recording.add_piece(piece)
                yield piece
        except APIError as error:
            self._recording.fail(error)
            raise
        self._recording.finish()

    async def close(self) -> None:
        """Give back or cut the connection."""
        await self._reply.close()
        self._recording.leave()
