"""Decompresses the bodies of httpx2's replies in small steps, under the lean transport's limits.

httpx2 itself would decompress each read as a whole: 64 KB can become 64 MB at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import cast

import httpx2

from puna.transports.decoding import STEPS_A_TURN, Decoder, is_compressed


def is_encoded(reply: httpx2.Response) -> bool:
    """Whether a reply's `content-encoding` says that its body is compressed."""
    encoding = reply.headers.get("content-encoding")
    return encoding is not None and is_compressed(encoding)


class DecompressedBody:
    """The decompressed body of one reply. It can be read once."""

    def __init__(self, reply: httpx2.Response) -> None:
        self._reply = reply
        self._decoder: Decoder | None = None

    def check_ratio(self) -> None:
        """Check the ratio of what was read so far, for bodies kept in memory.

        See `Decoder.check_ratio`.

        Raises:
            zlib.error: the body expanded too much.
        """
        if self._decoder is not None:
            self._decoder.check_ratio()

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces of at most 64 KiB.

        Raises:
            ValueError: the encoding is not supported.
            zlib.error: the body does not fit its encoding, or is cut.
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
        """`pieces` for asyncio; other tasks can run between the steps."""
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
        """Make the decoder for the reply's encoding.

        Raises ValueError for one that is not supported.
        """
        decoder = self._decoder = Decoder(self._reply.headers["content-encoding"].strip().lower())
        return decoder
