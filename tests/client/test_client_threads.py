"""Clients that several event loops and threads share."""

from __future__ import annotations

import asyncio
import threading

import pytest
from tests.support.faces import HI, MODEL, settings_for
from tests.support.upstream import TEXT, Upstream

from puna import AsyncClient, Client
from puna.telemetry.events import CallEvent


@pytest.mark.case(11)
@pytest.mark.anyio
async def test_fifty_calls_share_a_loop(upstream: Upstream) -> None:
    async with AsyncClient(settings_for(upstream)) as client:
        answers = await asyncio.gather(*(client.completion(MODEL, HI) for _ in range(50)))
    assert [a.choices[0].message.content for a in answers] == [TEXT] * 50


@pytest.mark.case(11)
def test_one_client_serves_two_loops_one_after_the_other(upstream: Upstream) -> None:
    client = AsyncClient(settings_for(upstream))

    async def ask() -> str | None:
        first, second = await asyncio.gather(client.completion(MODEL, HI), _streamed(client))
        assert second == TEXT
        return first.choices[0].message.content

    assert [asyncio.run(ask()), asyncio.run(ask())] == [TEXT, TEXT]
    assert upstream.sees(lambda: upstream.open_connections == 0)


async def _streamed(client: AsyncClient) -> str:
    stream = await client.completion(MODEL, HI, stream=True)
    return "".join([c.choices[0].delta.content or "" async for c in stream])


@pytest.mark.case(12)
@pytest.mark.anyio
async def test_a_sync_call_works_inside_a_running_loop(upstream: Upstream) -> None:
    seen: list[CallEvent] = []

    async def hook(event: CallEvent) -> None:
        await asyncio.sleep(0)
        seen.append(event)

    with Client(settings_for(upstream, hooks=(hook,))) as client:
        assert client.completion(MODEL, HI).choices[0].message.content == TEXT
        assert [c.choices[0].delta.content for c in client.completion(MODEL, HI, stream=True)]
    assert [event.is_stream for event in seen] == [False, True]


@pytest.mark.case(12)
def test_twenty_threads_share_a_client(upstream: Upstream) -> None:
    texts: list[str | None] = []
    with Client(settings_for(upstream)) as client:

        def ask() -> None:
            texts.append(client.completion(MODEL, HI).choices[0].message.content)

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert texts == [TEXT] * 20
