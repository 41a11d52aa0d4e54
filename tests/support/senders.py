"""One request through a transport of each kind, to its whole reply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import uvloop

from puna.transports.base import AsyncTransport
from puna.transports.lean import LeanTransport
from puna.transports.standard import AsyncStandardTransport, StandardTransport
from puna.transports.tls import TLSConfig
from puna.wire.http import HTTPReply, HTTPRequest

Send = Callable[..., HTTPReply]


def send_sync(request: HTTPRequest, tls: TLSConfig | None = None, **settings: Any) -> HTTPReply:
    """Over the synchronous standard transport."""
    transport = StandardTransport(tls, **settings)
    try:
        reply = transport.open(request)
        try:
            body = b"".join(reply.pieces()) if request.is_stream else reply.read()
            return HTTPReply(reply.status, reply.headers, body)
        finally:
            reply.close()
    finally:
        transport.close()


def send_async(request: HTTPRequest, tls: TLSConfig | None = None, **settings: Any) -> HTTPReply:
    """Over the standard transport for asyncio."""
    return asyncio.run(_send(partial(AsyncStandardTransport, **settings), request, tls))


def send_lean(request: HTTPRequest, tls: TLSConfig | None = None) -> HTTPReply:
    """Over the lean transport, on asyncio's own loop."""
    return asyncio.run(_send(LeanTransport, request, tls))


def send_lean_uvloop(request: HTTPRequest, tls: TLSConfig | None = None) -> HTTPReply:
    """Over the lean transport, on uvloop."""
    return uvloop.run(_send(LeanTransport, request, tls))


async def _send(
    make: Callable[[TLSConfig | None], AsyncTransport], request: HTTPRequest, tls: TLSConfig | None
) -> HTTPReply:
    transport = make(tls)
    try:
        reply = await transport.open(request)
        try:
            if request.is_stream:
                body = b"".join([piece async for piece in reply.pieces()])
            else:
                body = await reply.read()
            return HTTPReply(reply.status, reply.headers, body)
        finally:
            await reply.close()
    finally:
        await transport.close()
