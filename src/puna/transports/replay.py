"""A transport that replays given replies: for tests, demos and cassettes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from puna.errors import APIConnectionError, PunaError
from puna.wire.http import HTTPRequest


@dataclass(frozen=True, slots=True)
class Recorded:
    """One reply to replay: its head, its body in pieces, and an error to end with, if any.

    An `error` without pieces and with `is_refused` is raised before any reply; otherwise it follows
    the pieces and cuts the body. `pauses_s` are the seconds to wait before the head and before each
    piece; empty means no pauses.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    pieces: Sequence[bytes] = ()
    error: PunaError | None = None
    is_refused: bool = False
    pauses_s: Sequence[float] = ()


Player = Callable[[HTTPRequest], Recorded]


def in_order(*replies: Recorded) -> Player:
    """A player that gives these replies one after the other.

    A request beyond them gets a connection error.
    """
    left = iter(replies)

    def play(request: HTTPRequest) -> Recorded:
        reply = next(left, None)
        if reply is None:
            raise APIConnectionError(f"No recorded reply is left for `{request.url}`.")
        return reply

    return play


class ReplayTransport:
    """Replays replies instead of sending requests. Synchronous.

    `requests` holds what was sent, in order; `open_replies` counts replies that were not closed.
    """

    def __init__(self, play: Player, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._play = play
        self._sleep = sleep
        self.requests: list[HTTPRequest] = []
        self.open_replies = 0

    def open(self, request: HTTPRequest) -> _ReplayReply:
        """Give the reply that the player chooses for this request."""
        recorded = self.choose(request)
        if recorded.pauses_s:
            self._sleep(recorded.pauses_s[0])
        return self.begin(recorded)

    def choose(self, request: HTTPRequest) -> Recorded:
        """Add the request to `requests`, and ask the player for its reply."""
        self.requests.append(request)
        return self._play(request)

    def begin(self, recorded: Recorded) -> _ReplayReply:
        """Open the reply; raises its error where the connection is refused."""
        if recorded.error is not None and recorded.is_refused:
            raise recorded.error
        self.open_replies += 1
        return _ReplayReply(recorded, self._count_closed, self._sleep)

    def close(self) -> None:
        """Do nothing: there are no connections."""

    def _count_closed(self) -> None:
        """Count a reply as closed."""
        self.open_replies -= 1


class _ReplayReply:
    """A reply that is being replayed."""

    def __init__(
        self, recorded: Recorded, closed: Callable[[], None], sleep: Callable[[float], None]
    ) -> None:
        self.recorded = recorded
        self._count_closed = closed
        self._sleep = sleep
        self._is_open = True
        self.status = recorded.status
        self.headers = recorded.headers

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces, then the recorded error."""
        if self.recorded.pauses_s:
            for pause_s, piece in _paced(self.recorded):
                self._sleep(pause_s)
                yield piece
        else:
            yield from self.recorded.pieces
        if self.recorded.error is not None:
            raise self.recorded.error

    def limit(self, within_s: float) -> None:
        """Do nothing: a replay keeps its recorded pauses."""

    def finish(self, within_s: float) -> None:
        """Do nothing: there is no connection to keep."""

    def close(self) -> None:
        """Count the reply as closed."""
        if self._is_open:
            self._is_open = False
            self._count_closed()


class AsyncReplayTransport:
    """`ReplayTransport` for asyncio."""

    def __init__(
        self, play: Player, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._inner = ReplayTransport(play)
        self._sleep = sleep

    @property
    def requests(self) -> list[HTTPRequest]:
        """What was sent, in order."""
        return self._inner.requests

    @property
    def open_replies(self) -> int:
        """Replies that were opened and not closed."""
        return self._inner.open_replies

    async def open(self, request: HTTPRequest) -> _AsyncReplayReply:
        """Give the reply that the player chooses for this request."""
        recorded = self._inner.choose(request)
        if recorded.pauses_s:
            await self._sleep(recorded.pauses_s[0])
        return _AsyncReplayReply(self._inner.begin(recorded), self._sleep)

    async def close(self) -> None:
        """Do nothing: there are no connections."""


class _AsyncReplayReply:
    """`_ReplayReply` for asyncio."""

    def __init__(self, inner: _ReplayReply, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._inner = inner
        self._sleep = sleep
        self.status = inner.status
        self.headers = inner.headers

    async def read(self) -> bytes:
        """The whole body."""
        return b"".join([piece async for piece in self.pieces()])

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body in pieces, then the recorded error."""
        recorded = self._inner.recorded
        if recorded.pauses_s:
            for pause_s, piece in _paced(recorded):
                await self._sleep(pause_s)
                yield piece
        else:
            for piece in recorded.pieces:
                yield piece
        if recorded.error is not None:
            raise recorded.error

    async def close(self) -> None:
        """Count the reply as closed."""
        self._inner.close()


def _paced(recorded: Recorded) -> Iterator[tuple[float, bytes]]:
    """Each piece with the pause before it."""
    return zip(recorded.pauses_s[1:], recorded.pieces, strict=True)
