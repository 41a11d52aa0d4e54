"""The embedded transports over the standard ones, with the real process."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from puna.embedded.supervisor import ChildAddress, Supervisor, SupervisorPool
from puna.errors import APIConnectionError, APITimeoutError, NotFoundError
from puna.transports.embedded import AsyncEmbeddedTransport, EmbeddedTransport
from puna.transports.standard import AsyncStandardTransport, StandardTransport
from puna.types.secret import Secret
from puna.wire.http import HTTPRequest, Timeouts

pytestmark = [pytest.mark.xdist_group("embedded")]

URL = "embedded://smollm2-135m/v1/chat/completions"


@pytest.fixture(scope="module")
def pool() -> Iterator[SupervisorPool]:
    made = SupervisorPool()
    yield made
    made.stop_all()


@pytest.fixture
def transport(pool: SupervisorPool) -> Iterator[EmbeddedTransport]:
    made = EmbeddedTransport(StandardTransport(), pool, StandardTransport())
    yield made
    made.close()


def request(url: str = URL, **fields: Any) -> HTTPRequest:
    body = {"messages": [{"role": "user", "content": "Count to one hundred."}], **fields}
    return HTTPRequest(
        "POST",
        url,
        {"content-type": "application/json"},
        json.dumps(body).encode(),
        is_stream="stream" in fields,
    )


def kill(pool: SupervisorPool) -> None:
    pid = pool.get("smollm2-135m").pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def test_the_process_starts_with_the_first_request(
    transport: EmbeddedTransport, pool: SupervisorPool
) -> None:
    reply = transport.open(request(max_tokens=2))
    data = json.loads(reply.read())
    reply.close()
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("application/json")
    assert data["choices"]
    assert pool.get("smollm2-135m").pid is not None


def test_an_unknown_model_sends_nothing(transport: EmbeddedTransport) -> None:
    with pytest.raises(NotFoundError):
        transport.open(request("embedded://%2Fno%2Fsuch.gguf/v1/chat/completions"))


def test_other_addresses_go_to_the_inner_transport(transport: EmbeddedTransport) -> None:
    with pytest.raises(APIConnectionError, match=r"127\.0\.0\.1:9"):
        transport.open(request("http://127.0.0.1:9/v1/chat/completions"))


def test_a_child_killed_in_a_stream_is_told_and_the_next_call_works(
    transport: EmbeddedTransport, pool: SupervisorPool
) -> None:
    reply = transport.open(request(max_tokens=400, stream=True))
    pieces = reply.pieces()
    assert next(pieces)
    kill(pool)
    with pytest.raises(APIConnectionError, match="the next call starts it again") as caught:
        list(pieces)
    reply.close()
    assert caught.value.is_retryable
    again = transport.open(request(max_tokens=1))
    assert json.loads(again.read())["choices"]
    again.close()


def test_a_child_killed_during_a_whole_answer_is_told(
    transport: EmbeddedTransport, pool: SupervisorPool
) -> None:
    reply = transport.open(request(max_tokens=400, stream=True))
    kill(pool)
    with pytest.raises(APIConnectionError, match="ended during the call"):
        reply.read()
    reply.close()


class _Deaf(Supervisor):
    """Says that a process runs where nobody listens."""

    def ensure_running(self) -> ChildAddress:
        return ChildAddress("http://127.0.0.1:9", Secret("k"))


class _DeafButAlive(_Deaf):
    def has_died(self, wait_s: float) -> bool:  # noqa: ARG002 - the base's signature
        return False


def test_a_refused_connection_is_told_by_the_process_it_was_for() -> None:
    transport = EmbeddedTransport(StandardTransport(), SupervisorPool(_Deaf), StandardTransport())
    with pytest.raises(APIConnectionError, match="`smollm2-135m` ended"):
        transport.open(request())
    transport.close()
    transport = EmbeddedTransport(
        StandardTransport(), SupervisorPool(_DeafButAlive), StandardTransport()
    )
    with pytest.raises(APIConnectionError, match="Cannot reach"):
        transport.open(request())
    transport.close()


def test_a_timeout_stays_one(transport: EmbeddedTransport) -> None:
    slow = request(max_tokens=1_500, ignore_eos=True)
    limited = HTTPRequest(
        slow.method, slow.url, slow.headers, slow.body, timeouts=Timeouts(total_s=0.05)
    )
    with pytest.raises(APITimeoutError):
        transport.open(limited).read()


@pytest.mark.anyio
async def test_the_asyncio_transport_does_the_same(pool: SupervisorPool) -> None:
    transport = AsyncEmbeddedTransport(AsyncStandardTransport(), pool, AsyncStandardTransport())
    reply = await transport.open(request(max_tokens=1))
    assert json.loads(await reply.read())["choices"]
    await reply.close()
    reply = await transport.open(request(max_tokens=400, stream=True))
    pieces = reply.pieces()
    assert await anext(pieces)
    kill(pool)
    with pytest.raises(APIConnectionError, match="the next call starts it again"):
        async for _ in pieces:
            pass
    await reply.close()
    reply = await transport.open(request(max_tokens=400, stream=True))
    kill(pool)
    with pytest.raises(APIConnectionError, match="ended during the call"):
        await reply.read()
    await reply.close()
    with pytest.raises(APIConnectionError, match="Cannot reach"):
        await transport.open(request("http://127.0.0.1:9/"))
    await transport.close()
    deaf = AsyncEmbeddedTransport(
        AsyncStandardTransport(), SupervisorPool(_Deaf), AsyncStandardTransport()
    )
    with pytest.raises(APIConnectionError, match="ended"):
        await deaf.open(request())
    await deaf.close()
