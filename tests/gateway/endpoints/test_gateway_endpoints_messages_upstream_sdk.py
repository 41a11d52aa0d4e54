"""Anthropic's SDK before a gateway before a host of its API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import httpx2
import pytest
from tests.support.anthropic_host import CLAUDE, CONFIG, CONTENT, HI, MESSAGE, TOOL, streamed
from tests.support.asgi import House
from tests.support.upstream import TEXT, Reply, Upstream

# Anthropic's SDK


def with_sdk(
    house: House, work: Callable[[anthropic.AsyncAnthropic], Awaitable[anthropic.types.Message]]
) -> anthropic.types.Message:
    """What a client says to the gateway, which runs in this process."""

    async def run() -> anthropic.types.Message:
        transport = httpx2.ASGITransport(app=house.app)
        async with (
            httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http,
            anthropic.AsyncAnthropic(
                api_key="any", base_url="http://127.0.0.1", http_client=http, max_retries=0
            ) as client,
        ):
            return await work(client)

    return asyncio.run(run())


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_loop_of_tools_with_the_sdk(upstream: Upstream, is_stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    house = House(upstream, CONFIG)
    ask: Any = {
        "model": CLAUDE,
        "max_tokens": 64,
        "tools": [TOOL],
        "thinking": {"type": "adaptive"},
    }

    async def work(client: anthropic.AsyncAnthropic) -> anthropic.types.Message:
        if is_stream:
            async with client.messages.stream(**ask, messages=HI) as stream:
                first = await stream.get_final_message()
        else:
            first = await client.messages.create(**ask, messages=HI)
        assert [block.type for block in first.content] == [block["type"] for block in CONTENT]
        assert first.stop_reason == "tool_use"
        calls = [block for block in first.content if block.type == "tool_use"]
        turns: Any = [
            *HI,
            {"role": "assistant", "content": first.content},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
                    for call in calls
                ],
            },
        ]
        last: anthropic.types.Message = await client.messages.create(**ask, messages=turns)
        return last

    done = {**MESSAGE, "content": [{"type": "text", "text": TEXT}], "stop_reason": "end_turn"}
    upstream.plays(streamed() if is_stream else Reply.json(MESSAGE), Reply.json(done))
    last = with_sdk(house, work)
    (block,) = last.content
    assert block.type == "text"
    assert block.text == TEXT
    assert last.stop_reason == "end_turn"
    again = upstream.requests[1].json
    assert again["messages"][1] == {"role": "assistant", "content": CONTENT}
    assert [one["tool_use_id"] for one in again["messages"][2]["content"]] == ["toolu_1", "toolu_2"]
