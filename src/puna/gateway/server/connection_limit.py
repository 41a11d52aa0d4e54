"""How many clients may be connected: the idle ones make room, else the newest is refused.

Each connection is an open file, and a process may have so many. The rest is kept for connections
to hosts and for files.
"""

from __future__ import annotations

import heapq
import logging
import math
from collections.abc import Collection
from typing import Any, Final, Protocol

from puna.errors import ServiceUnavailableError
from puna.gateway.server.client_limits import ClientLimits

_log = logging.getLogger("puna.gateway")

_IDLE_S: Final = 1.0
"""A client that has been idle for less is about to ask."""

_SHED_SHARE: Final = 64
"""One in so many is closed at a time: to look for them anew with each client would cost more."""

_LOOK_AGAIN_S: Final = 0.1
_WARN_AGAIN_S: Final = 10.0


class ClientConnection(Protocol):
    """What the limit needs to know of a client's connection."""

    @property
    def transport(self) -> Any:
        """The transport of its socket; closing it closes the connection."""
        ...

    @property
    def idle_since(self) -> float:
        """Since when the client has no request running; infinite while it has one."""
        ...


class ConnectionLimit:
    """Limits the number of clients of one server. Times are seconds of the event loop's clock."""

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._look_again_at = -math.inf
        self._warn_again_at = -math.inf

    def has_room(
        self,
        connections: Collection[ClientConnection],
        newest: ClientConnection,
        file_number: int,
        now: float,
    ) -> bool:
        """Whether `newest`, one of `connections`, may stay. Idle ones are closed to make room.

        Called for each new connection. `file_number` is its file descriptor's; the system gives the
        lowest that is free.
        """
        limits = self._limits
        if len(connections) <= limits.connections and file_number < limits.files:
            return True
        if now < self._look_again_at:
            return False
        idle = [one for one in connections if one is not newest and one.idle_since <= now - _IDLE_S]
        self._warn(len(connections), now)
        if not idle:
            self._look_again_at = now + _LOOK_AGAIN_S
            return False
        some = 1 + len(connections) // _SHED_SHARE
        for one in heapq.nsmallest(some, idle, key=lambda one: one.idle_since):
            one.transport.close()
        return True

    def _warn(self, count: int, now: float) -> None:
        """Warn the operator that the limit is reached, at most once in a while."""
        if now < self._warn_again_at:
            return
        self._warn_again_at = now + _WARN_AGAIN_S
        _log.warning(
            "%d clients are connected, as many as may be: idle ones are closed, and where none is "
            "idle new ones get a 503. Allow more open files (`ulimit -n`), or set "
            "`general_settings.max_connections`.",
            count,
        )


def too_many_connections() -> ServiceUnavailableError:
    """Make the error (status 503) for a client that connects when no connection is idle."""
    return ServiceUnavailableError(
        "The gateway has as many connections as it may; try again later.",
        code="too_many_connections",
        fault="operator",
        retry_after_s=1.0,
    )
