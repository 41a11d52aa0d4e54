"""Sends requests for the embedded model to its process, and all others to another transport.

A request for `embedded://<percent-encoded model>/<path>` starts the model's process if it is not
running, and goes to the loopback address of the process, with its key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from urllib.parse import unquote

from puna.embedded.supervisor import ChildAddress, Supervisor, SupervisorPool
from puna.errors import APIConnectionError, APITimeoutError
from puna.transports.base import AsyncOpenReply, AsyncTransport, OpenReply, Transport
from puna.wire.http import HTTPRequest

SCHEME = "embedded://"

_DEATH_WAIT_S = 0.5


class EmbeddedTransport:
    """Sends `embedded://` requests to the model's process, all others through `inner`. Synchronous.

    `pool` starts the processes and outlives this transport. `local` sends the requests to them; it
    is a separate transport because they must never go through a proxy.
    """

    def __init__(self, inner: Transport, pool: SupervisorPool, local: Transport) -> None:
        self._inner = inner
        self._pool = pool
        self._local = local

    def open(self, request: HTTPRequest) -> OpenReply:
        """Send the request and wait for the reply's headers.

        Raises:
            NotFoundError, ServiceUnavailableError: there is no such model, or it cannot start.
            APIConnectionError: the model's process ended; the next call starts it again.
        """
        if not request.url.startswith(SCHEME):
            return self._inner.open(request)
        model, path = _split(request.url)
        supervisor = self._pool.get(model)
        address = supervisor.ensure_running()
        try:
            reply = self._local.open(_rewrite(request, address, path))
        except APIConnectionError as error:
            raise _explain(error, supervisor) from error
        return _EmbeddedReply(reply, supervisor)

    def close(self) -> None:
        """Close all connections. The model processes keep running."""
        self._inner.close()
        self._local.close()


class _EmbeddedReply:
    """A reply of the model's process, whose connection errors say what happened to the process."""

    def __init__(self, reply: OpenReply, supervisor: Supervisor) -> None:
        self._reply = reply
        self._supervisor = supervisor
        self.status: int = reply.status
        self.headers: Mapping[str, str] = reply.headers

    def read(self) -> bytes:
        """The whole body."""
        try:
            return self._reply.read()
        except APIConnectionError as error:
            raise _explain(error, self._supervisor) from error

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces."""
        try:
            yield from self._reply.pieces()
        except APIConnectionError as error:
            raise _explain(error, self._supervisor) from error

    def limit(self, within_s: float) -> None:
        """Fail reads of the body that go on after `within_s` seconds from now."""
        self._reply.limit(within_s)

    def finish(self, within_s: float) -> None:
        """Read the end of the body, so that the connection can serve again."""
        self._reply.finish(within_s)

    def close(self) -> None:
        """Return or close the connection.

        The server stops generating an answer that nobody reads.
        """
        self._reply.close()


class AsyncEmbeddedTransport:
    """`EmbeddedTransport` for asyncio.

    The model loads in a thread, so the event loop is not blocked.
    """

    def __init__(self, inner: AsyncTransport, pool: SupervisorPool, local: AsyncTransport) -> None:
        self._inner = inner
        self._pool = pool
        self._local = local

    async def open(self, request: HTTPRequest) -> AsyncOpenReply:
        """Send the request and wait for the reply's headers; raises as `EmbeddedTransport.open`."""
        if not request.url.startswith(SCHEME):
            return await self._inner.open(request)
        model, path = _split(request.url)
        supervisor = self._pool.get(model)
        address = await asyncio.to_thread(supervisor.ensure_running)
        try:
            reply = await self._local.open(_rewrite(request, address, path))
        except APIConnectionError as error:
            raise await asyncio.to_thread(_explain, error, supervisor) from error
        return _AsyncEmbeddedReply(reply, supervisor)

    async def close(self) -> None:
        """Close all connections. The model processes keep running."""
        await self._inner.close()
        await self._local.close()


class _AsyncEmbeddedReply:
    """`_EmbeddedReply` for asyncio."""

    def __init__(self, reply: AsyncOpenReply, supervisor: Supervisor) -> None:
        self._reply = reply
        self._supervisor = supervisor
        self.status: int = reply.status
        self.headers: Mapping[str, str] = reply.headers

    async def read(self) -> bytes:
        """The whole body."""
        try:
            return await self._reply.read()
        except APIConnectionError as error:
            raise await asyncio.to_thread(_explain, error, self._supervisor) from error

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body in pieces."""
        try:
            async for piece in self._reply.pieces():
                yield piece
        except APIConnectionError as error:
            raise await asyncio.to_thread(_explain, error, self._supervisor) from error

    async def close(self) -> None:
        """Return or close the connection.

        The server stops generating an answer that nobody reads.
        """
        await self._reply.close()


def _split(url: str) -> tuple[str, str]:
    """The model and the path of an `embedded://` URL."""
    model, _, path = url.removeprefix(SCHEME).partition("/")
    return unquote(model), f"/{path}"


def _rewrite(request: HTTPRequest, address: ChildAddress, path: str) -> HTTPRequest:
    """The request for the process's HTTP server, with the key that it requires."""
    key = f"Bearer {address.api_key.reveal()}"
    return request.to(address.base_url + path, {"authorization": key})


def _explain(error: APIConnectionError, supervisor: Supervisor) -> APIConnectionError:
    """The error for a broken connection to the process, which says whether the process died.

    May wait a moment for the process to end.
    """
    if isinstance(error, APITimeoutError) or not supervisor.has_died(_DEATH_WAIT_S):
        return error
    return APIConnectionError(
        f"The process of the embedded model `{supervisor.model}` ended during the call; the next "
        "call starts it again.",
        code="embedded_model_stopped",
    )
