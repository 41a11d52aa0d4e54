"""A transport whose replies break as no host can make them break."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.upstream import event, text_chunks

from puna.wire.http import HTTPRequest


class Breaking:
    """Its reply fails after two events of a stream, in a way that nobody foresaw."""

    def __init__(self) -> None:
        self.status = 200
        self.headers = {"content-type": "text/event-stream"}

    async def open(self, request: HTTPRequest) -> Any:  # noqa: ARG002 - the transport's contract
        """The reply, which is this object too."""
        return self

    async def read(self) -> bytes:
        """Nothing: it is a stream."""
        return b""

    async def pieces(self) -> Any:
        """Two events, and the fault."""
        yield b"".join(event(one) for one in text_chunks()[:2])
        await asyncio.sleep(0)
        raise RuntimeError("a bug in mid-stream")

    async def close(self) -> None:
        """Nothing is open."""
