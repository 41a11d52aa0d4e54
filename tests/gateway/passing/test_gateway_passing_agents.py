"""Requests with tools, images and formats pass by their bytes, and get what the readers give."""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.support import agent_traffic
from tests.support.agent_lanes import MODELS, compare


@pytest.mark.parametrize("has_hooks", [True, False], ids=["hooks", "no-hooks"])
@pytest.mark.parametrize("part", range(4))
def test_agents_requests_get_the_same_from_both_readers(part: int, *, has_hooks: bool) -> None:
    async def run() -> list[str]:
        lanes: list[str] = []
        for seed in range(part * 500, part * 500 + 500):
            dice = random.Random(seed)  # noqa: S311 - chance of tests, not of keys
            body = agent_traffic.request(dice, MODELS)
            is_stream = bool(body.get("stream"))
            make = agent_traffic.stream_reply if is_stream else agent_traffic.whole_reply
            try:
                _, answer = await compare(body, make(dice), has_hooks=has_hooks)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}") from error
            lanes.append(answer.headers.get("x-puna-lane", "none"))
        return lanes

    lanes = asyncio.run(run())
    assert lanes.count("fast") > 130
    assert lanes.count("full") > 50
