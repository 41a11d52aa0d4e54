"""A gateway that web pages and programs ask, in both lanes."""

from __future__ import annotations

import asyncio
import json

from tests.support.lanes import Edge

from puna.transports.replay import Recorded
from puna.wire.http import HTTPRequest

KEY = "sk-master-canary-5512"
OK = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "y"}}]}


LANES = """
model_list:
  - model_name: public
    litellm_params: {model: openai/up, api_base: "http://up/v1", api_key: sk-host-12345}
litellm_settings: {num_retries: 0}
"""
PLAIN = {"model": "public", "messages": [{"role": "user", "content": "hi"}]}


def play(_: HTTPRequest) -> Recorded:
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "up", **OK}
    return Recorded(200, {"content-type": "application/json"}, (json.dumps(body).encode(),))


def over_the_wire(head: str, *, is_fast: bool, config: str = LANES) -> tuple[int, int]:
    """The status of a chat request with these lines in its head, and how often the host heard."""
    body = json.dumps(PLAIN).encode()
    data = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body

    async def ask() -> tuple[int, int]:
        edge = Edge(play, config, is_fast=is_fast)
        answer = await edge.ask(data)
        return answer.status, len(edge.hot.requests) + len(edge.full.requests)

    return asyncio.run(ask())
