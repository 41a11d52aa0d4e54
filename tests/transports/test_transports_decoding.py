"""Compressed bytes are opened alike however they are cut, and whatever stands behind them."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator

import pytest
from tests.support.compressed import EACH, request_of, zipped
from tests.support.senders import Send
from tests.support.upstream import Upstream

from puna.errors import APIConnectionError
from puna.transports.decoding import Decoder


def _opened(body: bytes) -> Iterator[bytes]:
    decoder = Decoder("gzip")
    decoder.feed(body)
    while piece := decoder.step():
        yield piece
    decoder.check_end()


def test_many_parts_with_something_in_them_are_read() -> None:
    """As bgzip writes them: each of 64 KB, which one step opens to its last byte."""
    part = os.urandom(16) + bytes(65_520)
    assert sum(map(len, _opened(gzip.compress(part) * 1_100))) == 1_100 * 65_536
    assert b"".join(_opened(gzip.compress(b"x") * 5_000)) == b"x" * 5_000


def test_as_many_empty_parts_as_are_allowed_are_read() -> None:
    empty = gzip.compress(b"")
    assert b"".join(_opened(empty * 1_000 + gzip.compress(b"x"))) == b"x"
    with pytest.raises(zlib.error, match="parts of nothing"):
        list(_opened(empty * 1_001))


@EACH
@pytest.mark.parametrize("cut", [1, 7, 1_000])
def test_zeros_behind_a_compressed_body_are_padding(
    send: Send, upstream: Upstream, cut: int
) -> None:
    packed = gzip.compress(b"an answer") + bytes(3) + gzip.compress(b" in parts") + bytes(500)
    upstream.plays_always(zipped(packed).chunked(cut))
    assert send(request_of(upstream.url)).body == b"an answer in parts"


@EACH
@pytest.mark.parametrize(
    ("behind", "encoding"), [(b"more", "gzip"), (b"\0\0more", "gzip"), (b"\0", "deflate")]
)
def test_other_bytes_behind_a_compressed_body_are_an_error(
    send: Send, upstream: Upstream, behind: bytes, encoding: str
) -> None:
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    upstream.plays_always(zipped(pack(b"an answer") + behind, encoding))
    with pytest.raises(APIConnectionError, match=r"incorrect header check|bytes follow"):
        send(request_of(upstream.url))


def test_zeros_between_many_parts_are_skipped() -> None:
    part = gzip.compress(b"x") + b"\0"
    assert b"".join(_opened(part * 3_000)) == b"x" * 3_000


@pytest.mark.parametrize("cut", [1, 7, 4_096, 1_000_000])
def test_bytes_are_opened_alike_however_they_are_cut(cut: int) -> None:
    inside = [os.urandom(50_000), b"", bytes(300_000), b"x", os.urandom(20_000)]
    wire = b"".join(map(gzip.compress, inside))
    decoder = Decoder("gzip")
    got: list[bytes] = []
    for at in range(0, len(wire), cut):
        decoder.feed(wire[at : at + cut])
        while piece := decoder.step():
            got.append(piece)
    decoder.check_end()
    assert b"".join(got) == b"".join(inside)
