"""Opens TCP and TLS connections.

Host names are resolved for each connection, IPv6 and IPv4 are tried in a staggered race (RFC 8305),
and TLS sessions are resumed. asyncio and uvloop offer no argument for the latter, but both create
their TLS objects through `SSLContext.sslobject_class`, and `SSLObject.session` may be set before a
handshake.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from asyncio.staggered import staggered_race
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, zip_longest
from typing import Any

from puna.transports.lean.connection import Connection
from puna.transports.lean.head import Origin
from puna.transports.tls import TLSConfig

_HEAD_START_S = 0.25
_MAX_SESSIONS = 256

Address = tuple[int, int, int, str, Any]
"""As `getaddrinfo` gives it."""


class NetworkDialer:
    """Opens TCP connections, with TLS for `https`.

    Raises ConfigError when the certificates of `tls` cannot be read.
    """

    def __init__(self, tls: TLSConfig | None) -> None:
        self._context = _resuming_context(tls.context()) if tls is not None else None

    async def __call__(self, origin: Origin, make: Callable[[], Connection]) -> None:
        """Open a connection to an origin, for the protocol that `make` creates.

        Raises:
            OSError: no address accepts a connection, or the TLS handshake fails.
            ValueError: the host name is invalid.
        """
        loop = asyncio.get_running_loop()
        sock = await _connect(await _look_up(origin))
        try:
            if origin.scheme != "https":
                _, connection = await loop.create_connection(make, sock=sock)
            else:
                _, connection = await loop.create_connection(
                    make, sock=sock, ssl=self._tls_context(), server_hostname=origin.host
                )
        except BaseException:
            with suppress(OSError, RuntimeError):  # it may be closed, or the loop's to close
                sock.close()
            raise
        connection.sock = sock

    def remember(self, connection: Connection) -> None:
        """Store a connection's TLS session for the next one. Called after its first reply.

        Only then has the session ticket come.
        """
        tls = connection.transport.get_extra_info("ssl_object")
        if isinstance(tls, _ResumingTLS):
            tls.remember()

    def _tls_context(self) -> ssl.SSLContext:
        """The TLS context for all connections, made for the first one."""
        # Loading the system's certificates takes milliseconds: only where TLS is spoken.
        if self._context is None:
            self._context = _resuming_context(TLSConfig().context())
        return self._context


class _ResumingTLS(ssl.SSLObject):
    """A TLS connection that resumes the last session with its host."""

    sessions: dict[str, ssl.SSLSession]
    _has_begun = False

    def do_handshake(self) -> None:
        """Begin or continue the handshake.

        A known session of the host is set before the first step.
        """
        if not self._has_begun:
            self._has_begun = True
            if self.server_hostname in self.sessions:
                self.session = self.sessions[self.server_hostname]
        super().do_handshake()

    def remember(self) -> None:
        """Store the session, to be resumed by the next connection to this host."""
        session, host = self.session, self.server_hostname
        if session is not None and host is not None:
            if len(self.sessions) >= _MAX_SESSIONS:
                self.sessions.clear()
            self.sessions[host] = session


def _resuming_context(context: ssl.SSLContext) -> ssl.SSLContext:
    """Make a TLS context resume sessions, in a cache of its own."""
    context.set_alpn_protocols(["http/1.1"])
    context.sslobject_class = type("ResumingTLS", (_ResumingTLS,), {"sessions": {}})
    return context


async def _look_up(origin: Origin) -> list[Address]:
    """Resolve a host's name to its addresses, IPv6 and IPv4 in turn."""
    with suppress(OSError):  # a name, not an address
        return _alternate_families(
            socket.getaddrinfo(origin.host, origin.port, flags=socket.AI_NUMERICHOST)
        )
    loop = asyncio.get_running_loop()
    return _alternate_families(
        await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    )


def _alternate_families(found: Sequence[Address]) -> list[Address]:
    """The addresses with IPv6 and IPv4 in turn, as RFC 8305 wants them."""
    streams = [one for one in found if one[1] == socket.SOCK_STREAM]
    if not streams:
        raise OSError("the host name has no address")
    first = [one for one in streams if one[0] == streams[0][0]]
    others = [one for one in streams if one[0] != streams[0][0]]
    paired = chain.from_iterable(zip_longest(first, others))
    return [one for one in paired if one is not None]


async def _connect(addresses: Sequence[Address]) -> socket.socket:
    """Connect to the addresses, each with a head start before the next.

    Returns the first socket.
    """
    if len(addresses) == 1:
        return await _connect_one(addresses[0])
    opened: list[socket.socket] = []

    async def attempt(address: Address) -> socket.socket:
        """Connect to one address, and note the socket so that a later one is closed."""
        sock = await _connect_one(address)
        opened.append(sock)
        return sock

    try:
        winner: socket.socket | None
        winner, _, errors = await staggered_race(
            [partial(attempt, address) for address in addresses], _HEAD_START_S
        )
    except BaseException:
        for sock in opened:
            sock.close()
        raise
    if winner is None:
        raise next(error for error in errors if error is not None)
    for sock in opened:
        if sock is not winner:
            sock.close()
    return winner


async def _connect_one(address: Address) -> socket.socket:
    """A socket that is connected to one address."""
    family, kind, protocol, _, where = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, where)
    except OSError as error:
        sock.close()
        if error.errno is None:
            raise
        # asyncio's text tells the address, which an error body must not.
        raise OSError(error.errno, os.strerror(error.errno)) from error
    except BaseException:
        sock.close()
        raise
    return sock
