"""Transports over an HTTP client of the caller's: `httpx` or `httpx2`, whose interfaces are alike.

The client stays the caller's: it is not closed here, and redirects are not followed, whatever it is
set to: a reply must not carry a key to another host.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from puna.errors import APIConnectionError
from puna.transports.base import MOST_BODY_BYTES
from puna.transports.failures import connection_error, timeout_error, too_long_text
from puna.wire.http import HTTPRequest


class HttpxTransport:
    """Carries synchronous calls over a `Client`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def open(self, request: HTTPRequest) -> _Reply:
        """Send the request and wait for the reply's headers."""
        total_s = request.timeouts.total_s
        deadline = time.monotonic() + total_s if total_s is not None else None
        with _translated(request, is_head=True):
            built = _built(self._client, request)
            reply = self._client.send(built, stream=True, follow_redirects=False)
        return _Reply(request, reply, deadline)

    def close(self) -> None:
        """Nothing: the client is its owner's."""


class _Reply:
    def __init__(self, request: HTTPRequest, reply: Any, deadline: float | None) -> None:
        self._request = request
        self._reply = reply
        self._deadline = deadline
        self._ends_at: float | None = None
        self.status: int = reply.status_code
        self.headers: Mapping[str, str] = _headers(reply)

    def read(self) -> bytes:
        """The whole body."""
        whole = bytearray()
        for piece in self.pieces():
            whole += piece
            _check_length(self._request, whole)
            if self._deadline is not None and time.monotonic() > self._deadline:
                raise timeout_error(self._request, is_head=False)
        return bytes(whole)

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces."""
        with _translated(self._request):
            for piece in self._reply.iter_bytes():
                if self._ends_at is not None and time.monotonic() > self._ends_at:
                    raise timeout_error(self._request, is_head=False)
                yield piece

    def limit(self, within_s: float) -> None:
        """Fail reads of the body after so many seconds; pauses have the client's own limit."""
        self._ends_at = time.monotonic() + within_s

    def finish(self, within_s: float) -> None:
        """Close: only the client's owner knows how long it may wait."""
        del within_s
        self.close()

    def close(self) -> None:
        """Give back or cut the connection."""
        self._reply.close()


class AsyncHttpxTransport:
    """Carries asyncio calls over an `AsyncClient`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def open(self, request: HTTPRequest) -> _AsyncReply:
        """Send the request and wait for the reply's headers."""
        total_s = request.timeouts.total_s
        deadline = asyncio.get_running_loop().time() + total_s if total_s is not None else None
        with _translated(request, is_head=True):
            built = _built(self._client, request)
            async with asyncio.timeout_at(deadline):
                reply = await self._client.send(built, stream=True, follow_redirects=False)
        return _AsyncReply(request, reply, deadline)

    async def close(self) -> None:
        """Nothing: the client is its owner's."""


class _AsyncReply:
    def __init__(self, request: HTTPRequest, reply: Any, deadline: float | None) -> None:
        self._request = request
        self._reply = reply
        self._deadline = deadline
        self.status: int = reply.status_code
        self.headers: Mapping[str, str] = _headers(reply)

    async def read(self) -> bytes:
        """The whole body."""
        whole = bytearray()
        with _translated(self._request):
            async with asyncio.timeout_at(self._deadline):
                async for piece in self._reply.aiter_bytes():
                    whole += piece
                    _check_length(self._request, whole)
        return bytes(whole)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body in pieces."""
        with _translated(self._request):
            async for piece in self._reply.aiter_bytes():
                yield piece

    async def close(self) -> None:
        """Give back or cut the connection."""
        await self._reply.aclose()


def _built(client: Any, request: HTTPRequest) -> Any:
    """The request as the client's package makes it, with the call's limits."""
    limits = request.timeouts
    each_s = limits.idle_s if request.is_stream else limits.total_s
    return client.build_request(
        request.method,
        request.url,
        headers=dict(request.headers),
        content=request.body,
        timeout=(limits.connect_s, each_s, each_s, limits.connect_s),  # and read, write, pool
    )


def _headers(reply: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in reply.headers.items()}


def _check_length(request: HTTPRequest, whole: bytearray) -> None:
    if len(whole) > MOST_BODY_BYTES:
        raise connection_error(request, ValueError(too_long_text(MOST_BODY_BYTES)))


@contextmanager
def _translated(request: HTTPRequest, *, is_head: bool = False) -> Generator[None]:
    """Raise errors of the client's package as Puna's."""
    try:
        yield
    except (APIConnectionError, GeneratorExit, asyncio.CancelledError):
        raise
    except Exception as error:
        kinds = {cls.__name__ for cls in type(error).__mro__}
        if kinds & {"TimeoutException", "TimeoutError"}:
            raise timeout_error(request, is_head=is_head) from error
        if kinds & {"TransportError", "RequestError", "InvalidURL", "StreamError", "OSError"}:
            raise connection_error(request, error) from error
        raise
