"""Budgets of keys and teams: what their requests used is counted, until the limit is reached."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.support.databases import make_store
from tests.support.governed import CHAT, CONFIG, GovernedHouse, bearer, config_for, migrated_url
from tests.support.lanes import Edge, request_bytes
from tests.support.upstream import completion_body
from tests.support.usual import play

from puna.gateway.workers.settings import ServeOptions, budget_notice
from puna.governance.records import TeamRecord

USED = int(completion_body()["usage"]["total_tokens"])
"""The tokens of one answer."""


@pytest.fixture
def house(tmp_path: Path) -> GovernedHouse:
    return GovernedHouse(tmp_path)


def statuses(house: GovernedHouse, *keys: str) -> list[int]:
    return [house.chat(key).status for key in keys]


def test_a_key_pays_its_budget_and_is_refused_then(house: GovernedHouse) -> None:
    key, other = house.make_key(max_tokens_budget=2 * USED), house.make_key()
    assert statuses(house, key, key, key, other) == [200, 200, 429, 200]
    asked = len(house.transport.requests)
    refused = house.chat(key)
    assert refused.error["type"] == "budget_exceeded"
    assert refused.error["message"].startswith("Budget has been exceeded! Current tokens: ")
    assert key not in refused.text
    assert len(house.transport.requests) == asked


def test_a_budget_of_money_counts_what_the_prices_say(tmp_path: Path) -> None:
    prices = "input_cost_per_token: 0.000001, output_cost_per_token: 0.000001, "
    house = GovernedHouse(
        tmp_path, config=CONFIG.replace("{model: openai/m, ", "{model: openai/m, " + prices)
    )
    key = house.make_key(max_budget=3 * USED / 1_000_000)
    assert statuses(house, *[key] * 5) == [200, 200, 200, 429, 429]


def test_a_limit_that_is_raised_pays_again(house: GovernedHouse) -> None:
    key = house.make_key(max_tokens_budget=USED)
    assert statuses(house, key, key) == [200, 429]
    house.done("/key/update", {"key": key, "max_tokens_budget": 2 * USED})
    assert statuses(house, key, key) == [200, 429]
    house.done("/key/update", {"key": key, "max_tokens_budget": None})
    assert statuses(house, key, key) == [200, 200]


def test_a_key_that_is_replaced_has_what_is_left_of_its_budget(house: GovernedHouse) -> None:
    old = house.make_key(max_tokens_budget=2 * USED)
    assert statuses(house, old) == [200]
    new = house.done("/key/regenerate", {"key": old, "grace_period": "1h"})["key"]
    assert statuses(house, new, old, new) == [200, 429, 429]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("is_fast", [True, False])
def test_both_lanes_count_and_refuse(tmp_path: Path, stream: bool, is_fast: bool) -> None:  # noqa: FBT001 - parameters of the test
    house = GovernedHouse(tmp_path)
    key = house.make_key(max_tokens_budget=1)  # the first call passes it

    async def ask() -> list[tuple[int, str]]:
        edge = Edge(play, config_for(house.url), is_fast=is_fast)
        assert edge.app.feed is not None
        await edge.app.feed.load()
        body = {**CHAT, "stream": stream}
        answers = [await edge.ask(request_bytes(body, bearer(key))) for _ in range(3)]
        return [(one.status, one.headers.get("x-puna-lane", "")) for one in answers]

    lane = "fast" if is_fast else "full"
    assert [status for status, _ in asyncio.run(ask())] == [200, 429, 429]
    assert asyncio.run(ask())[0] == (200, lane)  # another process counts by itself


def test_keys_of_a_team_share_its_budget(tmp_path: Path) -> None:
    url = migrated_url(tmp_path)

    async def make_team() -> None:
        store = make_store(url)
        team = TeamRecord(team_id="t", max_tokens_budget=2 * USED)
        await store.write(lambda rows: rows.put(team))
        await store.close()

    asyncio.run(make_team())
    house = GovernedHouse(tmp_path, url=url)
    one, other = house.make_key(team_id="t"), house.make_key(team_id="t")
    assert statuses(house, one, other, one, other) == [200, 200, 429, 429]


def test_several_workers_are_started_with_a_warning(house: GovernedHouse) -> None:
    with_keys = house.app.config.directory
    warning = budget_notice(ServeOptions(num_workers=2), with_keys)
    assert warning is not None
    assert "up to 2 times" in warning
    assert budget_notice(ServeOptions(), with_keys) is None
