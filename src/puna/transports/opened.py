"""Compressed bodies of httpx2's replies, opened in small steps under the lean transport's limits.

httpx2 would open each read as a whole: 64 KB of zeros become 64 MB at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import cast

import httpx2

from puna.transports.decoding import STEPS_A_TURN, Decoder, is_compressed


def is_encoded(reply: httpx2.Response) -> bool:
    """Whether the body has a `content-encoding` that does something."""
    encoding = reply.headers.get("content-encoding")
    return encoding is not None and is_compressed(encoding)


class Opened:
    """The body of one reply without its `content-encoding`. Read it once."""

    def __init__(self, reply: httpx2.Response) -> None:
        self._reply = reply
        self._decoder: Decoder | None = None

    def check_ratio(self) -> None:
        """See `Decoder.check_ratio`; for bodies that are kept whole.

        Raises:
            zlib.error: what was read so far opened to too much.
        """
        if self._decoder is not None:
            self._decoder.check_ratio()

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces of at most 64 KiB.

        Raises:
            ValueError: it is in an encoding that is not read.
            zlib.error: it is not what its encoding says, or ends too early.
        """
        try:
            decoder = self._begin()
            for data in cast("httpx2.SyncByteStream", self._reply.stream):
                decoder.feed(data)
                while piece := decoder.step():
                    yield piece
            decoder.check_end()
        finally:
            self._reply.close()

    async def async_pieces(self) -> AsyncGenerator[bytes]:
        """`pieces` for asyncio: other tasks have their turn between them."""
        decoder = self._begin()
        steps = 0
        async for data in cast("httpx2.AsyncByteStream", self._reply.stream):
            decoder.feed(data)
            while piece := decoder.step():
                steps += 1
                if steps % STEPS_A_TURN == 0:
                    await asyncio.sleep(0)
                yield piece
        decoder.check_end()

    def _begin(self) -> Decoder:
        decoder = self._decoder = Decoder(self._reply.headers["content-encoding"].strip().lower())
        return decoder
