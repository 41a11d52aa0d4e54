"""How long and how many: what the server grants clients that have no whole request.

Instants are seconds of the event loop's clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from puna.config.schema import (
    DEFAULT_BODY_TIMEOUT_S,
    DEFAULT_HEAD_TIMEOUT_S,
    DEFAULT_LINGER_TIMEOUT_S,
    ServerConfig,
)
from puna.errors import BadRequestError

LINGER_SILENT_S: Final = 5.0
"""How long a client that was answered may pause while it sends the rest of its request."""

MANY_FILES: Final = 1 << 20
"""So many open files that they are no limit."""

_FEWEST_CONNECTIONS: Final = 8
_MOST_RESERVED: Final = 256
_RESERVED_SHARE: Final = 8


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Limits on clients' time and number, for one server.

    Attributes:
        head_s: seconds for a request's head: of the first from when the client connected, of a
            later one from its first byte.
        body_s: how long a body may pause; and for all of it, to which each part of
            `bytes_per_s` that came adds a second.
        linger_s: how long the rest of a request is read after its answer. A connection that is
            closed with unread bytes in it is reset, and the client may lose the answer.
        bytes_per_s: the slowest body that may go on.
        connections: how many clients may be connected.
        files: the highest number of a file that a client's connection may have.
    """

    head_s: float = DEFAULT_HEAD_TIMEOUT_S
    body_s: float = DEFAULT_BODY_TIMEOUT_S
    linger_s: float = DEFAULT_LINGER_TIMEOUT_S
    bytes_per_s: float = 1024.0
    connections: int = MANY_FILES
    files: int = MANY_FILES


def limits_of(server: ServerConfig, files: int) -> ClientLimits:
    """The limits of a configuration, for a process that may have `files` open.

    An eighth of them, and at most 256, is kept for files and for connections of this process's
    own. Of the rest clients get half, because each request may need a connection to a host.
    """
    reserved = min(_MOST_RESERVED, files // _RESERVED_SHARE)
    half = max(_FEWEST_CONNECTIONS, (files - reserved) // 2)
    return ClientLimits(
        head_s=server.head_timeout_s,
        body_s=server.body_timeout_s,
        linger_s=server.linger_timeout_s,
        connections=server.max_connections or half,
        files=max(_FEWEST_CONNECTIONS, files - reserved),
    )


class PartialRequest:
    """The incomplete request of a connection: how much of it has come, and since when."""

    __slots__ = ("_answered_at", "_bytes", "_read_at", "_since", "in_body", "is_on")

    def __init__(self) -> None:
        self.is_on = False
        """Whether some of a request has come, and not all."""
        self.in_body = False
        """Whether its head is whole."""
        self._since = math.inf
        self._read_at = math.inf
        self._answered_at = math.inf
        self._bytes = 0

    @property
    def is_answered(self) -> bool:
        """Whether the client was answered although it still sends the request."""
        return self._answered_at < math.inf

    def note(self, size: int, now: float, *, in_body: bool) -> None:
        """Record that `size` bytes have come, and that the request is still incomplete."""
        if not self.is_on or in_body is not self.in_body:
            self.is_on, self.in_body = True, in_body
            self._since, self._bytes = now, 0
        self._read_at = now
        self._bytes += size

    def answered(self, now: float) -> None:
        """Record that the request was answered.

        The rest is read only so that the client gets the answer.
        """
        self.is_on = True
        self._answered_at = self._read_at = now

    def end(self) -> None:
        """Forget the request: it is complete, or another one begins."""
        self.is_on = False
        self._answered_at = math.inf

    def postpone(self, now: float) -> None:
        """Restart the client's time, because the server itself has stopped reading."""
        self._since = self._read_at = now

    def due(self, limits: ClientLimits) -> float:
        """The time by which the rest must have come, on the event loop's clock."""
        if self.is_answered:
            return min(self._answered_at + limits.linger_s, self._read_at + LINGER_SILENT_S)
        if not self.in_body:
            return self._since + limits.head_s
        whole = self._since + limits.body_s + self._bytes / limits.bytes_per_s
        return min(self._read_at + limits.body_s, whole)


def took_too_long(limits: ClientLimits, *, in_body: bool) -> BadRequestError:
    """Make the error (status 408) for a client that did not send its whole request in time."""
    what, limit_s = ("body", limits.body_s) if in_body else ("head", limits.head_s)
    return BadRequestError(
        f"The request's {what} took too long: more than {limit_s:g} s of waiting.",
        status_code=408,
        code="request_timeout",
    )
