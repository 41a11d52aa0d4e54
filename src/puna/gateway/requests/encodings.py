"""Compressed request bodies: opened within the limit on bodies, or refused.

Source: RFC 9110, sections 8.4 and 15.5.16. What counts is what a body opens to. It is opened in
small steps, between which other requests get their turn.
"""

from __future__ import annotations

import asyncio
import zlib

from puna.errors import BadRequestError
from puna.transports.decoding import STEPS_A_TURN, Decoder, make_decoder

READ = "gzip, deflate"
"""The encodings that are read, as the header `accept-encoding` names them."""

_SLICE = 65_536


class BodyReader:
    """Decompresses one request body: `add` each piece, then `finish` gives the whole body."""

    def __init__(self, encoding: str, limit: int) -> None:
        """Begin a body.

        Args:
            encoding: the header `content-encoding`, empty where there is none.
            limit: the most bytes, as they come and as they are opened.

        Raises:
            BadRequestError: with status 415, for an encoding that is not read.
        """
        try:
            self._decoder: Decoder | None = make_decoder(encoding)
        except ValueError:
            raise BadRequestError(
                f"A body with `content-encoding: {encoding[:40]}` is not read here. Switch the "
                f"client's compression of requests off, or send them in one of: {READ}.",
                status_code=415,
                code="unsupported_encoding",
                headers={"accept-encoding": READ},
            ) from None
        self._limit = limit
        self._pieces: list[bytes] = []
        self._came = 0
        self.size = 0
        """The bytes that are kept: opened ones."""

    async def add(self, data: bytes) -> None:
        """Add the next bytes of the body.

        Raises:
            BadRequestError: with status 413 where the body is too large; it is not in its encoding.
        """
        self._came += len(data)
        if self._came > self._limit:
            raise too_large(self._limit)
        if self._decoder is None:
            self._pieces.append(data)
            self.size += len(data)
            return
        for at in range(0, len(data), _SLICE):
            try:
                await self._decompress(self._decoder, data[at : at + _SLICE])
            except zlib.error as error:
                raise _invalid_encoding(error) from None
            await asyncio.sleep(0)

    def finish(self) -> bytes:
        """The whole body. Raises BadRequestError where its compressed form was cut."""
        if self._decoder is not None:
            try:
                self._decoder.check_end()
            except zlib.error as error:
                raise _invalid_encoding(error) from None
        return b"".join(self._pieces)

    async def _decompress(self, decoder: Decoder, data: bytes) -> None:
        """Decompress a piece in steps, between which other requests get their turn."""
        decoder.feed(data)
        steps = 0
        while piece := decoder.step():
            steps += 1
            if steps % STEPS_A_TURN == 0:
                await asyncio.sleep(0)
            self.size += len(piece)
            if self.size > self._limit:
                raise too_large(self._limit)
            self._pieces.append(piece)


def too_large(limit: int) -> BadRequestError:
    """Make the error (status 413) for a body beyond the limit, compressed or not."""
    return BadRequestError(
        f"The body is larger than this gateway's limit of {limit} bytes.",
        status_code=413,
        code="request_too_large",
    )


def _invalid_encoding(error: zlib.error) -> BadRequestError:
    """Make the error for a body that is not in the encoding that its header names."""
    return BadRequestError(
        f"The body is not in the encoding that its `content-encoding` names: {error}.",
        code="invalid_encoding",
    )
