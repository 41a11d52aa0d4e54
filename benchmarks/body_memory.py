"""Memory that a request takes beyond its bytes: `python -m benchmarks.body_memory KIND`.

The gateway without sockets (`memory_gateway.py`) gets one long chat request of many small values;
the most memory that Python held meanwhile (tracemalloc) is printed, by the body's size. No clock
and no allocator's reserve is in the figure: it is the same in every run.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tracemalloc
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import uvloop

from benchmarks import agent
from benchmarks.asks import CHAT
from benchmarks.job import bearer, posted
from benchmarks.processes import run_json
from benchmarks.upstream import whole_body

if TYPE_CHECKING:
    from benchmarks.memory_gateway import MemoryGateway

_MOST_BYTES = 500_000
_MOST_CONTAINERS = 5_000  # lists and objects; hardly more are let in
_READ = 65_536
_LIMIT_S = 60
_PORT = 4000  # of the address in requests; nothing is sent

KINDS: Mapping[str, tuple[str, str]] = {
    "numbers": ("tools", "0"),
    "short texts": ("tools", '"a"'),
    "empty objects": ("tools", "{}"),
    "small objects": ("tools", '{"a":0}'),
    "short messages": ("messages", '{"role":"user","content":"a"}'),
}
"""Where the values stand, and one of them."""

AGENT = "agent"
"""The kind that is a coding agent's turn (`agent.py`) many times over: few values are small."""


def times_of(kind: str) -> float:
    """The memory that a body of this kind takes, as a multiple of its size; in a new process."""
    return float(run_json("benchmarks.body_memory", kind))


def body_of(kind: str, share: float, model: str) -> Mapping[str, Any]:
    """A chat request that is full of such values; with a share of 1 nearly what is let in."""
    if kind == AGENT:
        body = agent.chat_body()
        turns = body["messages"] * max(1, round(share * _MOST_BYTES / 40_000))
        return {**body, "model": model, "messages": turns}
    where, text = KINDS[kind]
    most = _MOST_CONTAINERS if text.startswith("{") else _MOST_BYTES // (len(text) + 1)
    values = [json.loads(text)] * round(share * most)
    if where == "messages":
        return {"messages": values, "model": model}
    parameters = {"type": "object", "properties": {"a": {"enum": values}}}
    function = {"name": "pick", "parameters": parameters}
    messages = [{"role": "user", "content": "Pick one."}]
    tools = [{"type": "function", "function": function}]
    return {"messages": messages, "model": model, "tools": tools}


async def _measure(kind: str) -> float:
    from benchmarks.memory_gateway import KEY, MODEL, MemoryGateway

    gateway = MemoryGateway()

    def request(share: float) -> bytes:
        return posted(_PORT, CHAT, bearer(KEY), body_of(kind, share, MODEL))

    long = request(1)
    await _ask(gateway, request(0.01))  # what is loaded and cached once
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    await _ask(gateway, long)
    _, most = tracemalloc.get_traced_memory()
    return (most - before) / len(long)


async def _ask(gateway: MemoryGateway, request: bytes) -> None:
    """One request in reads as a socket gives them; its answer is checked."""
    body = whole_body()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    asked, replied = gateway.asked.written, gateway.reply.written
    async with asyncio.timeout(_LIMIT_S):
        for start in range(0, len(request), _READ):
            gateway.client.data_received(request[start : start + _READ])
        while not (asked or replied):  # noqa: ASYNC110 - the gateway has no event for it
            await asyncio.sleep(0)
        if replied:
            raise RuntimeError(f"the gateway refused: {replied!r}")
        gateway.upstream.data_received(head % len(body) + body)
        while not gateway.client.cycle.response_complete:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0)
    if not replied[0].startswith(b"HTTP/1.1 200 OK"):
        raise RuntimeError(f"the gateway answered {replied[0]!r}")
    asked.clear()
    replied.clear()


if __name__ == "__main__":
    print(uvloop.run(_measure(json.loads(sys.argv[1]))))
