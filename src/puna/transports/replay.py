"""A transport that plays back what it was given: for tests, demos and `mock_response`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from puna.errors import APIConnectionError, PunaError
from puna.wire.http import HTTPRequest


@dataclass(frozen=True, slots=True)
class Recorded:
    """One reply to play: its head, its body in pieces, and an error to end with, if any.

    `error` instead of pieces fails before any reply; after pieces it cuts the body.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    pieces: Sequence[bytes] = ()
    error: PunaError | None = None
    is_refused: bool = False


Player = Callable[[HTTPRequest], Recorded]


def in_order(*replies: Recorded) -> Player:
    """Play these replies one after the other; asking for more is a connection error."""
    left = iter(replies)

    def play(request: HTTPRequest) -> Recorded:
        reply = next(left, None)
        if reply is None:
            raise APIConnectionError(f"No recorded reply is left for `{request.url}`.")
        return reply

    return play


class ReplayTransport:
    """Synchronous. `requests` holds what was sent, in order; `open_replies` counts leaks."""

    def __init__(self, play: Player) -> None:
        self._play = play
        self.requests: list[HTTPRequest] = []
        self.open_replies = 0

    def open(self, request: HTTPRequest) -> _ReplayReply:
        """Play the next reply."""
        self.requests.append(request)
        recorded = _begin(self._play(request))
        self.open_replies += 1
        return _ReplayReply(recorded, self._closed)

    def close(self) -> None:
        """Nothing to close."""

    def _closed(self) -> None:
        self.open_replies -= 1


class _ReplayReply:
    """A reply under way."""

    def __init__(self, recorded: Recorded, closed: Callable[[], None]) -> None:
        self._recorded = recorded
        self._closed = closed
        self._is_open = True
        self.status = recorded.status
        self.headers = recorded.headers

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces, then the recorded error."""
        yield from self._recorded.pieces
        if self._recorded.error is not None:
            raise self._recorded.error

    def finish(self, within_s: float) -> None:
        """Nothing is left to read."""

    def close(self) -> None:
        """Count the reply as closed."""
        if self._is_open:
            self._is_open = False
            self._closed()


class AsyncReplayTransport:
    """`ReplayTransport` for asyncio."""

    def __init__(self, play: Player) -> None:
        self._inner = ReplayTransport(play)

    @property
    def requests(self) -> list[HTTPRequest]:
        """What was sent, in order."""
        return self._inner.requests

    @property
    def open_replies(self) -> int:
        """Replies that were opened and not closed."""
        return self._inner.open_replies

    async def open(self, request: HTTPRequest) -> _AsyncReplayReply:
        """Play the next reply."""
        return _AsyncReplayReply(self._inner.open(request))

    async def close(self) -> None:
        """Nothing to close."""


class _AsyncReplayReply:
    """A reply under way."""

    def __init__(self, inner: _ReplayReply) -> None:
        self._inner = inner
        self.status = inner.status
        self.headers = inner.headers

    async def read(self) -> bytes:
        """The whole body."""
        return self._inner.read()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body in pieces, then the recorded error."""
        for piece in self._inner.pieces():
            yield piece

    async def close(self) -> None:
        """Count the reply as closed."""
        self._inner.close()


def _begin(recorded: Recorded) -> Recorded:
    if recorded.error is not None and recorded.is_refused:
        raise recorded.error
    return recorded
