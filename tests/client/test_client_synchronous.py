"""A synchronous client inside a loop, and one that many threads share."""

from __future__ import annotations

import asyncio
import threading

import pytest
from tests.support.faces import HI, MODEL, settings_for
from tests.support.upstream import TEXT, Upstream

from puna import Client
from puna.telemetry.events import CallEvent


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
