"""Many streams at once, slow readers, and processes that are killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
from collections.abc import Iterator

import pytest
from tests.support.asgi import CHAT, CONFIG
from tests.support.server import (
    Served,
    becomes,
    children_of,
    is_alive,
    open_files,
    read_all,
    request_bytes,
    resident_mb,
)
from tests.support.upstream import Reply, Upstream

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("gateway")]

STREAM = {**CHAT, "stream": True}
STREAMS = 200


@pytest.fixture(scope="module")
def up() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="module")
def served(up: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("load") / "config.yaml"
    path.write_text(CONFIG.replace("UPSTREAM", up.url))
    with Served("--config", str(path), LLAMA_API_KEY="k") as one:
        assert one.request("POST", "/v1/chat/completions", STREAM)[0] == 200
        yield one


async def stream_once(port: int, *, leaves_after: int | None = None) -> bytes:
    """One streamed answer, or its beginning."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request_bytes(STREAM, headers="connection: close\r\n"))
        await writer.drain()
        if leaves_after is not None:
            return await reader.readexactly(leaves_after)
        return await reader.read(-1)
    finally:
        writer.close()


async def stream_many(port: int, count: int, *, leaves_after: int | None = None) -> list[bytes]:
    """Streams at the same time."""
    return await asyncio.gather(
        *(stream_once(port, leaves_after=leaves_after) for _ in range(count))
    )


@pytest.mark.case(128)
def test_two_hundred_streams_at_once_end_well_and_leave_nothing(
    served: Served, up: Upstream
) -> None:
    reply = Reply.text_stream(*["word "] * 10, pause_s=0.05)
    up.plays_always(reply)
    pid = served.process.pid
    asyncio.run(stream_many(served.port, STREAMS))  # pools and caches grow once
    files, memory_mb = open_files(pid), resident_mb(pid)
    for _ in range(2):
        answers = asyncio.run(stream_many(served.port, STREAMS))
        assert all(one.startswith(b"HTTP/1.1 200 OK") for one in answers)
        assert all(one.count(b"word ") == 10 and b"[DONE]" in one for one in answers)
    assert up.sees(lambda: open_files(pid) <= files, within_s=5)
    assert resident_mb(pid) - memory_mb < 20
    assert "Traceback" not in served.log


@pytest.mark.case(126, 128)
def test_clients_that_leave_early_leave_nothing(served: Served, up: Upstream) -> None:
    up.plays_always(Reply.endless(0.02))
    before = up.disconnects
    pid = served.process.pid
    files = open_files(pid)
    asyncio.run(stream_many(served.port, 50, leaves_after=200))
    assert up.sees(lambda: up.disconnects == before + 50, within_s=1)
    assert up.sees(lambda: up.open_replies == 0)
    assert up.sees(lambda: open_files(pid) <= files, within_s=5)
    assert "Traceback" not in served.log


@pytest.mark.case(127)
def test_a_slow_reader_neither_blocks_others_nor_grows_memory(served: Served, up: Upstream) -> None:
    big = "x" * 100_000
    up.plays(Reply.text_stream(*[big] * 400))  # 40 MB
    up.plays_always(Reply.text_stream("quick"))
    pid = served.process.pid
    memory_mb = resident_mb(pid)
    with served.connect(receive_buffer=4_096) as slow:
        slow.sendall(request_bytes(STREAM))
        assert slow.recv(100).startswith(b"HTTP/1.1 200")
        for _ in range(10):
            assert b"quick" in asyncio.run(stream_once(served.port))
        assert up.open_replies == 1
        assert resident_mb(pid) - memory_mb < 20
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert up.sees(lambda: up.open_replies == 0, within_s=2)


@pytest.mark.case(128)
def test_sigterm_in_the_middle_of_many_streams_lets_all_end(
    up: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> None:
    up.plays_always(Reply.text_stream(*["word "] * 20, pause_s=0.05))
    path = tmp_path_factory.mktemp("drain") / "config.yaml"
    path.write_text(CONFIG.replace("UPSTREAM", up.url))

    async def stream_and_end(one: Served) -> list[bytes]:
        streams = asyncio.create_task(stream_many(one.port, 40))
        while up.open_replies < 40:  # noqa: ASYNC110 - another thread counts
            await asyncio.sleep(0.01)
        one.process.send_signal(signal.SIGTERM)
        return await streams

    with Served("--config", str(path), LLAMA_API_KEY="k") as one:
        answers = asyncio.run(stream_and_end(one))
        assert one.process.wait(10) == 0
    assert all(answer.count(b"word ") == 20 and b"[DONE]" in answer for answer in answers)


LONG = {"model": "any", "messages": [{"role": "user", "content": "Count to a thousand."}]}


@pytest.mark.xdist_group("embedded")
@pytest.mark.case(158)
def test_killed_children_and_killed_gateways() -> None:
    with Served() as one:
        assert "every model name is answered by embedded/smollm2-135m" in one.log
        status, headers, body = one.request(
            "POST", "/v1/chat/completions", {**LONG, "max_tokens": 4}
        )
        assert status == 200
        assert headers["x-puna-embedded-model"] == "smollm2-135m"
        assert json.loads(body)["model"] == "any"
        (child,) = one.children

        with one.connect() as made:
            made.sendall(request_bytes({**LONG, "stream": True}, headers="connection: close\r\n"))
            began = made.recv(65_536)
            assert began.startswith(b"HTTP/1.1 200")
            os.kill(child, signal.SIGKILL)
            rest = (began + read_all(made)).decode()
        frames = [line for line in rest.splitlines() if line.startswith("data: ")]
        error = json.loads(frames[-1].removeprefix("data: "))["error"]
        assert error["type"] == "upstream_error"
        assert error["code"] in ("embedded_model_stopped", "stream_interrupted")
        assert "[DONE]" not in rest

        body = one.request(
            "POST", "/v1/completions", {"model": "x", "prompt": "Hi", "max_tokens": 4}
        )[2]
        assert json.loads(body)["choices"][0]["text"]
        (again,) = one.children
        assert again != child

        one.stop(signal.SIGKILL)
        assert becomes(lambda: not is_alive(again), within_s=5)
        assert children_of(one.process.pid) == []
