"""An asynchronous client that many calls and several loops share."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.faces import HI, MODEL, settings_for
from tests.support.upstream import TEXT, Upstream

from puna import AsyncClient


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
