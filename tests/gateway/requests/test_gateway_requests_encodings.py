"""Compressed bodies of requests: what is read, refused, and how much one may open to."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from typing import Any

import pytest
from tests.support.asgi import CHAT, CONFIG, House
from tests.support.gateway_responses import BODY
from tests.support.upstream import Reply, Upstream, completion_body

from puna.errors import BadRequestError
from puna.gateway.requests.encodings import BodyReader


def deflated(data: bytes) -> bytes:
    return zlib.compress(data)


def raw(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-15)
    return made.compress(data) + made.flush()


def as_it_is(data: bytes) -> bytes:
    return data


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("deflate", deflated),
        ("deflate", raw),
        ("identity", as_it_is),
        ("", as_it_is),
    ],
)
@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
def test_a_compressed_body_is_read(upstream: Upstream, encoding: str, pack: Any, path: str) -> None:
    upstream.plays(Reply.json(completion_body()))
    body = json.dumps(CHAT if "chat" in path else BODY).encode()
    answer = House(upstream).ask(path, pack(body), headers={"content-encoding": encoding})
    assert answer.status == 200
    assert upstream.requests[0].json["messages"] == [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize("encoding", ["zstd", "br", "gzip, gzip", "aes128gcm", "x" * 500])
def test_an_encoding_that_is_not_read_is_415_with_those_that_are(encoding: str) -> None:
    answer = House().ask(
        "/v1/responses", b"\x28\xb5\x2f\xfd", headers={"content-encoding": encoding}
    )
    assert answer.status == 415
    assert answer.headers["accept-encoding"] == "gzip, deflate"
    assert answer.error["code"] == "unsupported_encoding"
    said = answer.error["message"]
    assert f"`content-encoding: {encoding[:40]}`" in said
    assert "Switch the client's compression of requests off" in said
    assert "gzip, deflate" in said


LIMITED = CONFIG + "general_settings: {max_request_size_mb: 1}\n"


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 64 * 1024 * 1024])
def test_what_a_body_opens_to_counts(size: int) -> None:
    packed = gzip.compress(b" " * size, 9)
    assert len(packed) < 100_000
    answer = House(config=LIMITED).ask(
        "/v1/responses", packed, headers={"content-encoding": "gzip"}
    )
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")


def test_a_body_may_open_to_the_limit(upstream: Upstream) -> None:
    upstream.plays(Reply.json(completion_body()))
    text = json.dumps(BODY).encode()
    packed = gzip.compress(text + b" " * (1024 * 1024 - len(text)))
    house = House(upstream, config=LIMITED)
    assert house.ask("/v1/responses", packed, headers={"content-encoding": "gzip"}).status == 200


@pytest.mark.parametrize(
    "body",
    [b"{}", b"", gzip.compress(b'{"a":1}')[:-4], b"\x1f\x8b\x08\x00", gzip.compress(b"{}") + b"x"],
    ids=["plain", "empty", "cut", "head only", "more after it"],
)
def test_a_body_that_is_not_in_its_encoding_is_400(body: bytes) -> None:
    answer = House().ask("/v1/responses", body, headers={"content-encoding": "gzip"})
    assert answer.status == 400
    assert answer.error["code"] in ("invalid_encoding", "invalid_json")


def test_a_body_in_many_members_and_pieces_is_read(upstream: Upstream) -> None:
    upstream.plays(Reply.json(completion_body()))
    text = json.dumps(BODY).encode()
    packed = b"".join(gzip.compress(text[i : i + 5]) for i in range(0, len(text), 5))
    pieces = [packed[i : i + 7] for i in range(0, len(packed), 7)]
    answer = House(upstream).ask(
        "/v1/responses", None, headers={"content-encoding": "gzip"}, pieces=pieces
    )
    assert answer.status == 200


@pytest.mark.parametrize(
    "body",
    [gzip.compress(b"x") * (1_000_000 // 21), gzip.compress(bytes(9_000_000))],
    ids=["small members", "one that opens to much"],
)
def test_compressed_bodies_let_others_have_their_turn(body: bytes) -> None:
    opened = gzip.decompress(body)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def run() -> int:
        other = asyncio.ensure_future(count())
        reader = BodyReader("gzip", 10_000_000)
        await reader.add(body)
        other.cancel()
        assert reader.finish() == opened
        return turns

    assert asyncio.run(run()) >= max(len(body) // 65_536, len(opened) // 2**20)


def test_members_that_open_to_nothing_are_refused_soon() -> None:
    reader = BodyReader("gzip", 10_000_000)
    with pytest.raises(BadRequestError, match="over 1000 parts of nothing"):
        asyncio.run(reader.add(gzip.compress(b"") * 50_000))
