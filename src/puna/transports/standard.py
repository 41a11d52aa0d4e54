"""The standard transport, over httpx2: proxies, custom certificates, sync and async.

Redirects are never followed: a reply must not carry a key to another host.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

from puna.errors import APIConnectionError, APIError, APITimeoutError
from puna.wire.http import HTTPRequest, Timeouts

_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=30.0)


@dataclass(frozen=True, slots=True)
class TLSConfig:
    """Whom to trust: the system's roots, a file of certificates, or (at your own risk) anyone."""

    is_verified: bool = True
    ca_file: str | None = None

    def context(self) -> ssl.SSLContext:
        """A fresh TLS context."""
        if not self.is_verified:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        if self.ca_file is not None:
            return ssl.create_default_context(cafile=self.ca_file)
        return httpx2.create_ssl_context()


class StandardTransport:
    """Synchronous; one connection pool, shared by all threads."""

    def __init__(self, tls: TLSConfig | None = None) -> None:
        self._client = httpx2.Client(
            verify=(tls or TLSConfig()).context(), limits=_LIMITS, follow_redirects=False
        )

    def open(self, request: HTTPRequest) -> _StandardReply:
        """Send the request and wait for the reply's headers."""
        deadline = _deadline(request.timeouts)
        with _translated(request):
            reply = self._client.send(_build(self._client, request), stream=True)
        return _StandardReply(request, reply, deadline)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


class _StandardReply:
    """A reply under way."""

    def __init__(
        self, request: HTTPRequest, reply: httpx2.Response, deadline: float | None
    ) -> None:
        self._request = request
        self._reply = reply
        self._deadline = deadline
        self.status = reply.status_code
        self.headers: Mapping[str, str] = _headers(reply)
        if deadline is not None and not request.is_stream:
            # httpx2 reads the limit once, when the body begins: what is left of the total.
            left = max(0.001, deadline - time.monotonic())
            reply.request.extensions["timeout"]["read"] = left

    def read(self) -> bytes:
        """The whole body."""
        pieces: list[bytes] = []
        for piece in self.pieces():
            pieces.append(piece)
            if self._deadline is not None and time.monotonic() > self._deadline:
                raise _timed_out(self._request)
        return b"".join(pieces)

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces."""
        with _translated(self._request):
            yield from self._reply.iter_bytes()

    def close(self) -> None:
        """Give back or cut the connection."""
        self._reply.close()


class AsyncStandardTransport:
    """For asyncio; one connection pool, for one event loop."""

    def __init__(self, tls: TLSConfig | None = None) -> None:
        self._client = httpx2.AsyncClient(
            verify=(tls or TLSConfig()).context(), limits=_LIMITS, follow_redirects=False
        )

    async def open(self, request: HTTPRequest) -> _AsyncStandardReply:
        """Send the request and wait for the reply's headers."""
        loop = asyncio.get_running_loop()
        total_s = request.timeouts.total_s
        deadline = loop.time() + total_s if total_s is not None else None
        with _translated(request):
            async with asyncio.timeout_at(deadline):
                reply = await self._client.send(_build(self._client, request), stream=True)
        return _AsyncStandardReply(request, reply, deadline)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


class _AsyncStandardReply:
    """A reply under way."""

    def __init__(
        self, request: HTTPRequest, reply: httpx2.Response, deadline: float | None
    ) -> None:
        self._request = request
        self._reply = reply
        self._deadline = deadline
        self.status = reply.status_code
        self.headers: Mapping[str, str] = _headers(reply)

    async def read(self) -> bytes:
        """The whole body."""
        with _translated(self._request):
            async with asyncio.timeout_at(self._deadline):
                return await self._reply.aread()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body in pieces."""
        with _translated(self._request):
            async for piece in self._reply.aiter_bytes():
                yield piece

    async def close(self) -> None:
        """Give back or cut the connection."""
        await self._reply.aclose()


def _deadline(timeouts: Timeouts) -> float | None:
    return time.monotonic() + timeouts.total_s if timeouts.total_s is not None else None


def _build(client: httpx2.Client | httpx2.AsyncClient, request: HTTPRequest) -> httpx2.Request:
    timeouts = request.timeouts
    total_s = timeouts.total_s
    # A stream's pauses are bounded by `idle_s`, a whole reply's reading by the total.
    read_s = timeouts.idle_s if request.is_stream else total_s
    connect_s = _least(timeouts.connect_s, total_s)
    limits = httpx2.Timeout(connect=connect_s, read=read_s, write=total_s, pool=connect_s)
    return client.build_request(
        request.method,
        request.url,
        headers={"accept-encoding": "gzip, deflate", **request.headers},
        content=request.body,
        timeout=limits,
    )


def _least(*limits: float | None) -> float | None:
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _headers(reply: httpx2.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in reply.headers.items()}


@contextmanager
def _translated(request: HTTPRequest) -> Generator[None]:
    """The one line where httpx2's errors become ours. Only the host is named, never the key."""
    try:
        yield
    except (httpx2.TimeoutException, TimeoutError) as error:
        raise _timed_out(request) from error
    except (httpx2.RequestError, httpx2.InvalidURL, httpx2.StreamError, OSError) as error:
        raise _unreachable(request, error) from error


def _timed_out(request: HTTPRequest) -> APITimeoutError:
    limits = request.timeouts
    limit = limits.idle_s if request.is_stream else limits.total_s
    return APITimeoutError(
        f"No answer from `{_origin(request.url)}` within {limit:g} s; raise `timeout` or try again."
        if limit is not None
        else f"No answer from `{_origin(request.url)}` in time."
    )


def _unreachable(request: HTTPRequest, error: Exception) -> APIError:
    reason = str(error) or type(error).__name__
    return APIConnectionError(f"Cannot reach `{_origin(request.url)}`: {reason}")


def _origin(url: str) -> str:
    parts: Any = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
