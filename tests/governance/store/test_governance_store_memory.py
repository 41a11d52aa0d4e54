"""Stored responses in memory: an owner sees its own only, and the oldest make room."""

from __future__ import annotations

import asyncio

from puna.bridges.responses.stored import StoredResponse
from puna.governance.store.memory import MemoryStore, ResponseCache


def stored(number: int, owner: str = "k", item: str = "", text: str = "hi") -> StoredResponse:
    output = [{"type": "message", "id": item}] if item else []
    response = {"id": f"resp_{number}", "output": output}
    return StoredResponse(f"resp_{number}", owner, ({"content": text},), response, ())


def test_an_owner_gets_its_own_and_nobody_elses() -> None:
    async def run() -> None:
        store = MemoryStore()
        await store.put(stored(1, item="msg_1"))
        assert await store.get("k", "resp_1") == stored(1, item="msg_1")
        assert await store.find_item("k", "msg_1") == stored(1, item="msg_1")
        assert await store.get("other", "resp_1") is None
        assert await store.find_item("other", "msg_1") is None
        assert not await store.delete("other", "resp_1")
        assert await store.delete("k", "resp_1")
        assert not await store.delete("k", "resp_1")
        assert await store.get("k", "resp_1") is None
        assert await store.find_item("k", "msg_1") is None
        await store.close()

    asyncio.run(run())


def test_an_item_is_found_where_it_was_new() -> None:
    async def run() -> None:
        store = MemoryStore()
        await store.put(stored(1, item="msg_1"))
        await store.put(stored(2, item="msg_1"))
        assert await store.find_item("k", "msg_1") == stored(1, item="msg_1")
        await store.delete("k", "resp_1")
        await store.put(stored(3, item="msg_1"))
        assert await store.find_item("k", "msg_1") == stored(3, item="msg_1")

    asyncio.run(run())


def test_the_least_used_make_room() -> None:
    async def run() -> list[int]:
        store = MemoryStore(ResponseCache(most=3))
        for number in range(5):
            await store.put(stored(number))
            await store.get("k", "resp_0")
        return [n for n in range(5) if await store.get("k", f"resp_{n}") is not None]

    assert asyncio.run(run()) == [0, 3, 4]
