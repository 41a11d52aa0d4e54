"""Streams that their callers leave: the upstream is closed, and nothing is left open."""

from __future__ import annotations

import asyncio
import gc
from functools import partial
from pathlib import Path

import pytest
from tests.support.faces import HI, MODEL, settings_for
from tests.support.upstream import Reply, Upstream

from puna import AsyncClient, Client
from puna.telemetry.events import CallEvent


@pytest.mark.case(57)
def test_leaving_a_stream_closes_the_upstream(upstream: Upstream) -> None:
    seen: list[CallEvent] = []
    upstream.plays_always(Reply.endless())
    with Client(settings_for(upstream, hooks=(seen.append,))) as client:
        stream = client.completion(MODEL, HI, stream=True)
        for _ in stream:
            break
        stream.close()
        stream.close()
        assert upstream.sees(lambda: upstream.disconnects == 1)
        assert list(stream) == []

        with client.completion(MODEL, HI, stream=True) as stream:
            next(stream)
        assert upstream.sees(lambda: upstream.disconnects == 2)

        for _ in client.completion(MODEL, HI, stream=True):
            break
        gc.collect()
        assert upstream.sees(lambda: upstream.disconnects == 3)

        client.completion(MODEL, HI, stream=True).map(lambda c: c.id).close()
        assert upstream.sees(lambda: upstream.disconnects == 4)
    assert [e.outcome for e in seen] == ["cancelled"] * 4
    assert all(e.report.completion_tokens > 0 for e in seen[:3])


@pytest.mark.case(57, 58)
@pytest.mark.anyio
async def test_leaving_an_async_stream_closes_the_upstream(upstream: Upstream) -> None:
    seen: list[CallEvent] = []
    upstream.plays_always(Reply.endless())

    async def left(count: int) -> bool:
        return await asyncio.to_thread(upstream.sees, lambda: upstream.disconnects == count)

    async with AsyncClient(settings_for(upstream, hooks=(seen.append,))) as client:
        stream = await client.completion(MODEL, HI, stream=True)
        async for _ in stream:
            break
        await stream.aclose()
        await stream.aclose()
        assert await left(1)

        async with await client.completion(MODEL, HI, stream=True) as stream:
            await anext(stream)
        assert await left(2)

        async for _ in await client.completion(MODEL, HI, stream=True):
            break
        del stream
        gc.collect()
        assert await left(3)

        async def read() -> None:
            async for _ in await client.completion(MODEL, HI, stream=True):
                pass

        task = asyncio.create_task(read())
        assert await asyncio.to_thread(upstream.sees, lambda: upstream.open_replies == 1)
        await asyncio.sleep(0.03)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await left(4)

        await (await client.completion(MODEL, HI, stream=True)).map(lambda c: c.id).aclose()
        assert await left(5)
        await asyncio.sleep(0)
    assert [e.outcome for e in seen] == ["cancelled"] * 5


@pytest.mark.case(58)
@pytest.mark.anyio
async def test_cancelling_before_the_first_chunk_closes_the_upstream(upstream: Upstream) -> None:
    seen: list[CallEvent] = []
    upstream.plays(Reply.hang(), Reply.sse(is_done=False, end="hang"), Reply.drip())
    async with AsyncClient(settings_for(upstream, hooks=(seen.append,))) as client:
        for count, is_stream in ((1, True), (2, True), (3, False)):
            task = asyncio.create_task(client.completion(MODEL, HI, stream=is_stream))
            assert await asyncio.to_thread(upstream.sees, lambda: upstream.open_replies == 1)
            await asyncio.sleep(0.03)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(upstream.sees, partial(_has_left, upstream, count))
    assert [e.outcome for e in seen] == ["cancelled"] * 3


def _has_left(upstream: Upstream, count: int) -> bool:
    return upstream.disconnects == count


@pytest.mark.case(57)
def test_a_thousand_early_breaks_leave_no_socket_behind(upstream: Upstream) -> None:
    upstream.plays_always(Reply.endless(0.5))
    with Client(settings_for(upstream)) as client:

        def leave_early(count: int) -> None:
            for _ in range(count):
                for _ in client.completion(MODEL, HI, stream=True):
                    break

        leave_early(1)
        gc.collect()
        before = len(list(Path("/proc/self/fd").iterdir()))
        leave_early(1000)
        gc.collect()
        assert upstream.sees(lambda: upstream.open_connections == 0)
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1
