"""A connection's later requests, whose heads are known by their bytes, against a fresh one's."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.asgi import Answer
from tests.support.lanes import Edge, Wire, read_answer, request_bytes

from puna.gateway.passing.head_cache import KnownHead, LaneHead, learn_head
from puna.gateway.server.protocol import GatewayProtocol
from puna.governance.keys import ANYONE, Keys
from puna.transports.replay import Recorded
from puna.wire.http import HTTPRequest

CONFIG = """
model_list:
  - model_name: public
    litellm_params: {model: openai/up/model, api_base: "http://up/v1", api_key: sk-host-12345}
litellm_settings: {num_retries: 0}
general_settings: {master_key: sk-master-1}
"""
AUTH = {"authorization": "Bearer sk-master-1"}
KEYS = Keys(None)
MEANING = LaneHead("POST /v1/chat/completions", "chat", ANYONE, KEYS, None)


def echo(request: HTTPRequest) -> Recorded:
    """The host says what it was asked."""
    said = json.loads(request.body)["messages"][-1]["content"]
    message = {"role": "assistant", "content": said}
    reply = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "up/model",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
    return Recorded(200, {"content-type": "application/json"}, (json.dumps(reply).encode(),))


def body_of(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": "public", "messages": [{"role": "user", "content": text}], **fields}


async def answers_of(
    protocol: GatewayProtocol, wire: Wire, pieces: Sequence[bytes], count: int
) -> list[Answer]:
    """What comes back, reply by reply, for bytes that come piece by piece."""
    for piece in pieces:
        protocol.data_received(piece)
        await asyncio.sleep(0)
    found: list[Answer] = []
    for _ in range(3_000):
        length = _LENGTH.search(wire.written)
        if length is not None:
            end = wire.written.index(b"\r\n\r\n") + 4 + int(length[1])
            answer = read_answer(wire.written[:end])
            assert answer is not None
            found.append(answer)
            wire.written = wire.written[end:]
        if len(found) == count:
            break
        await asyncio.sleep(0)
    return found


_LENGTH = re.compile(rb"content-length: (\d+)")


def said_by(answer: Answer) -> Any:
    return json.loads(answer.body)["choices"][0]["message"]["content"]


REQUESTS = st.lists(
    st.tuples(
        st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40),
        st.sampled_from(
            [
                {},
                {"temperature": 0.5},
                {"tools": []},  # goes the long way
                {"n": 1, "user": "x" * 300},
            ]
        ),
        st.sampled_from([{}, {}, {}, {"x-trace": "1"}, {"x-litellm-call-id": "mine"}]),
    ),
    min_size=2,
    max_size=6,
)


@given(requests=REQUESTS, cuts=st.lists(st.integers(1, 1_500), max_size=12))
def test_however_requests_are_cut_each_gets_its_own_answer(
    requests: list[tuple[str, dict[str, Any], dict[str, str]]], cuts: list[int]
) -> None:
    async def run() -> None:
        edge = Edge(echo, CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        left = list(cuts)
        for text, fields, headers in requests:
            data = request_bytes(body_of(text, **fields), {**AUTH, **headers})
            places = [0]
            while left and len(places) < 4:
                places.append(min(places[-1] + left.pop(), len(data)))
            pieces = [
                piece
                for start, end in zip(places, [*places[1:], len(data)], strict=True)
                if (piece := data[start:end])
            ]
            (answer,) = await answers_of(protocol, wire, pieces, 1)
            assert answer.status == 200
            assert said_by(answer) == text
            is_plain = "tools" not in fields
            assert answer.headers["x-puna-lane"] == ("fast" if is_plain else "full")
            if headers.get("x-litellm-call-id"):
                assert answer.headers["x-litellm-call-id"] == "mine"
        assert not wire.is_closed
        assert [event.outcome for event in edge.events] == ["success"] * len(requests)

    asyncio.run(run())


@given(texts=st.lists(st.text("ab", max_size=9), min_size=2, max_size=4), cut=st.integers(1, 900))
def test_pipelined_requests_with_known_heads_are_answered_in_order(
    texts: list[str], cut: int
) -> None:
    async def run() -> None:
        edge = Edge(echo, CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        first = request_bytes(body_of("first"), AUTH)
        assert len(await answers_of(protocol, wire, [first], 1)) == 1
        data = b"".join(request_bytes(body_of(text), AUTH) for text in texts)
        answers = await answers_of(protocol, wire, [data[:cut], data[cut:]], len(texts))
        assert list(map(said_by, answers)) == texts

    asyncio.run(run())


def test_another_key_or_path_under_a_known_head_is_looked_at_anew() -> None:
    async def run() -> None:
        edge = Edge(echo, CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        good = request_bytes(body_of("x"), AUTH)
        for data, status in (
            (good, 200),
            (good, 200),
            (request_bytes(body_of("x"), {"authorization": "Bearer sk-master-2"}), 401),
            (request_bytes(body_of("x")), 401),
            (good, 200),
            (request_bytes(body_of("x"), AUTH, "/v1/nothing"), 404),
            (good, 200),
            (request_bytes(b"{", AUTH), 400),
            (good, 200),
        ):
            (answer,) = await answers_of(protocol, wire, [data], 1)
            assert answer.status == status

    asyncio.run(run())


def test_a_client_that_leaves_in_the_middle_of_a_known_request_leaves_nothing() -> None:
    async def run() -> None:
        edge = Edge(echo, CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        data = request_bytes(body_of("x" * 100), AUTH)
        assert len(await answers_of(protocol, wire, [data], 1)) == 1
        protocol.data_received(data[:-50])
        protocol.connection_lost(None)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(edge.events) == 1
        assert not edge.state.connections

    asyncio.run(run())


@pytest.mark.parametrize("cut", [1_000_000, 60_000], ids=["one read", "many reads"])
def test_an_idle_connection_keeps_nothing_of_its_last_request(cut: int) -> None:
    """It kept the body and what was read of it, until the next request came."""

    async def run() -> int:
        edge = Edge(echo, CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        short, long = (request_bytes(body_of("x" * n), AUTH) for n in (100, 200_000))
        assert len(await answers_of(protocol, wire, [short], 1)) == 1

        async def ask() -> None:
            pieces = [long[at : at + cut] for at in range(0, len(long), cut)]
            (answer,) = await answers_of(protocol, wire, pieces, 1)
            assert len(said_by(answer)) == 200_000
            for _ in range(5):
                await asyncio.sleep(0)  # the host's last turns
            edge.hot.requests.clear()
            edge.hot.exchanges.clear()
            edge.events.clear()

        await ask()
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        await ask()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert protocol in edge.state.connections
        return after - before

    assert asyncio.run(run()) < 50_000


def test_a_known_request_on_its_way_at_the_end_is_answered_and_told_to_close() -> None:
    async def run() -> None:
        edge = Edge(echo, CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        data = request_bytes(body_of("x" * 100), AUTH)
        assert len(await answers_of(protocol, wire, [data], 1)) == 1
        protocol.data_received(data[:-50])
        protocol.shutdown()
        assert not wire.is_closed
        (answer,) = await answers_of(protocol, wire, [data[-50:]], 1)
        assert answer.headers["connection"] == "close"
        assert wire.is_closed

    asyncio.run(run())


def learn(head: bytes, body: bytes = b"{}") -> KnownHead | None:
    return learn_head(head + body, body, MEANING, is_kept=True)


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nContent-Length: 2\r\nx: y\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        HEAD.replace(b"x: y", b"x: z") + b"{}",
        HEAD.replace(b": 2", b": 02") + b"{}",
        HEAD.replace(b": 2", b": +2") + b"{}",
        HEAD.replace(b": 2", b": 2 ") + b"{}",
        HEAD.replace(b": 2", b": ") + b"{}",
        HEAD.replace(b": 2", b": 1234567890") + b"{}",
        HEAD.replace(b": 2", b": 2\r\ncontent-length: 3") + b"{}",
        b"\r\n" + HEAD + b"{}",
        HEAD[:-1],
        HEAD[:40],
        b"",
    ],
)
def test_only_the_digits_of_a_known_head_may_differ(data: bytes) -> None:
    known = learn(HEAD)
    assert known is not None
    assert known.find_body(HEAD + b"{}") == (len(HEAD), 2)
    assert known.find_body(HEAD.replace(b": 2", b": 123")) == (len(HEAD) + 2, 123)
    assert known.find_body(data) is None


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (HEAD.replace(b"\r\nx: y", b"\nx: y"), b"{}"),
        (HEAD.replace(b"x: y", b"x: \ry"), b"{}"),
        (HEAD.replace(b"x: y", b"content-length: 2"), b"{}"),
        (b"\r\n" + HEAD, b"{}"),
        (HEAD.replace(b"x: y", b"x: " + b"y" * 9_000), b"{}"),
        (HEAD, b"{ }"),
        (HEAD.replace(b"Content-Length: 2\r\n", b""), b"{}"),
        (HEAD[:-2], b""),
    ],
)
def test_a_head_that_is_not_clear_is_not_learned(head: bytes, body: bytes) -> None:
    assert learn(head, body) is None


def test_a_head_with_a_call_id_of_its_own_is_not_learned() -> None:
    assert (
        learn_head(
            HEAD + b"{}", b"{}", LaneHead("POST /", "chat", ANYONE, KEYS, "mine"), is_kept=True
        )
        is None
    )


def test_a_client_that_sends_head_and_body_apart_is_known_too() -> None:
    async def run() -> None:
        edge = Edge(echo, CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        for text in ("one", "another", "x" * 500):
            data = request_bytes(body_of(text), AUTH)
            head = data.index(b"\r\n\r\n") + 4
            (answer,) = await answers_of(protocol, wire, [data[:head], data[head:]], 1)
            assert said_by(answer) == text
        assert protocol._known is not None

    asyncio.run(run())
