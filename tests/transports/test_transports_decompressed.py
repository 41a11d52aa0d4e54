"""Compressed bodies of hosts: every transport opens them in small steps and under one limit."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from contextlib import closing
from itertools import pairwise

import pytest
from tests.support.compressed import EACH, request_of, zipped
from tests.support.senders import Send
from tests.support.upstream import Upstream

from puna.errors import APIConnectionError
from puna.transports.standard import AsyncStandardTransport, StandardTransport

GIGABYTE = 64 * gzip.compress(bytes(16 * 2**20))
"""In 1 MB."""

NOTHING = 50_000 * gzip.compress(b"")


@EACH
def test_a_whole_answer_that_opens_to_a_gigabyte_is_refused_in_little_memory(
    send: Send, upstream: Upstream
) -> None:
    upstream.plays_always(zipped(GIGABYTE))
    tracemalloc.start()
    try:
        with pytest.raises(APIConnectionError, match="opens to over 100 times its size"):
            send(request_of(upstream.url))
        assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    finally:
        tracemalloc.stop()


@EACH
@pytest.mark.parametrize("is_stream", [False, True])
def test_a_body_of_many_parts_that_open_to_nothing_is_refused(
    send: Send, upstream: Upstream, *, is_stream: bool
) -> None:
    upstream.plays_always(zipped(NOTHING))
    with pytest.raises(APIConnectionError, match="over 1000 parts of nothing"):
        send(request_of(upstream.url, is_stream=is_stream))


@EACH
@pytest.mark.parametrize("is_stream", [False, True])
def test_a_compressed_body_that_is_cut_is_no_shorter_answer(
    send: Send, upstream: Upstream, *, is_stream: bool
) -> None:
    upstream.plays_always(zipped(gzip.compress(b"an answer that is told whole")[:-9]))
    with pytest.raises(APIConnectionError, match="the compressed body is cut"):
        send(request_of(upstream.url, is_stream=is_stream))


@EACH
@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_an_encoding_that_nobody_asked_for_is_named(
    send: Send, upstream: Upstream, encoding: str
) -> None:
    upstream.plays_always(zipped(b"abc", encoding))
    with pytest.raises(APIConnectionError, match=f"the content encoding `{encoding}` is not read"):
        send(request_of(upstream.url))


@EACH
@pytest.mark.parametrize("encoding", ["", "identity", "Identity", "UTF-8", "utf8", "none"])
def test_no_encoding_by_its_name_is_none(send: Send, upstream: Upstream, encoding: str) -> None:
    upstream.plays_always(zipped(b"abc", encoding))
    assert send(request_of(upstream.url)).body == b"abc"


@EACH
@pytest.mark.parametrize("encoding", ["gzip", "X-GZIP", "deflate"])
def test_what_is_packed_well_but_not_too_well_is_read(
    send: Send, upstream: Upstream, encoding: str
) -> None:
    text = b"".join(b"%d," % (number**2 * 2_654_435_761 % 2**32) for number in range(900_000))
    packed = zlib.compress(text, 1) if encoding == "deflate" else gzip.compress(text, 1)
    upstream.plays_always(zipped(packed, encoding))
    assert send(request_of(upstream.url)).body == text


def test_the_synchronous_stream_of_a_bomb_comes_in_small_pieces(upstream: Upstream) -> None:
    upstream.plays_always(zipped(GIGABYTE))
    with closing(StandardTransport()) as transport:
        reply = transport.open(request_of(upstream.url, is_stream=True))
        pieces = reply.pieces()
        assert max(len(next(pieces)) for _ in range(500)) <= 65_536
        reply.close()


def test_others_have_their_turns_while_an_asynchronous_body_is_opened(upstream: Upstream) -> None:
    upstream.plays_always(zipped(gzip.compress(bytes(7_000_000))))
    opened: list[int] = [0]
    turns: list[int] = []

    async def others() -> None:
        while True:
            turns.append(opened[0])
            await asyncio.sleep(0)

    async def ask() -> None:
        transport = AsyncStandardTransport()
        reply = await transport.open(request_of(upstream.url, is_stream=True))
        other = asyncio.create_task(others())
        async for piece in reply.pieces():
            opened[0] += len(piece)
        other.cancel()
        await transport.close()

    asyncio.run(ask())
    assert opened == [7_000_000]
    assert max(after - before for before, after in pairwise(turns)) <= 2 * 2**20
