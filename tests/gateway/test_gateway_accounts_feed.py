"""How a worker follows the database: with one question for many, and through an outage."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.databases import make_store, make_url, migrated
from tests.support.governed import GovernedHouse, migrated_url

from puna.errors import ConfigError, ServiceUnavailableError
from puna.gateway.accounts_feed import AccountsFeed
from puna.governance.accounts import Accounts
from puna.governance.records import KeyRecord
from puna.governance.store.accounts import AccountStore, Changes


class CountingStore(AccountStore):
    """Counts the questions for changes; fails while `is_down`."""

    questions = 0
    is_down = False

    async def changes_since(self, revision: int) -> Changes:
        self.questions += 1
        if self.is_down:
            raise ServiceUnavailableError("down", code="database_unavailable")
        return await super().changes_since(revision)


def run_with(
    folder: Path,
    test: Callable[
        [AccountsFeed, CountingStore, FakeClock, list[Accounts]], Coroutine[Any, Any, None]
    ],
) -> None:
    async def run() -> None:
        store = CountingStore((await migrated(make_url("sqlite", folder))).database)
        clock, published = FakeClock(), list[Accounts]()
        feed = AccountsFeed(store, clock)
        feed.publish = published.append
        await feed.load()
        await test(feed, store, clock, published)
        await feed.close()

    asyncio.run(run())


async def put(store: AccountStore, **fields: Any) -> None:
    await store.write(lambda writer: writer.put(KeyRecord(**fields)))


def test_what_was_written_is_published_once(tmp_path: Path) -> None:
    async def test(
        feed: AccountsFeed, store: CountingStore, _: FakeClock, published: list[Accounts]
    ) -> None:
        published.clear()
        await feed.refresh()
        assert published == []
        await put(store, token="a")
        await feed.refresh()
        await feed.refresh()
        assert [set(one.keys) for one in published] == [{"a"}]
        assert feed.accounts is published[0]

    run_with(tmp_path, test)


def test_many_who_ask_at_once_cause_one_question(tmp_path: Path) -> None:
    async def test(
        feed: AccountsFeed, store: CountingStore, clock: FakeClock, _: list[Accounts]
    ) -> None:
        before = store.questions
        await asyncio.gather(*(feed.refresh() for _ in range(500)))
        assert store.questions == before + 1
        # The next question waits until 50 ms have passed since the last one.
        assert clock.sleeps == [pytest.approx(0.05)]

    run_with(tmp_path, test)


def test_an_expired_key_is_published_although_nothing_was_written(tmp_path: Path) -> None:
    async def test(
        feed: AccountsFeed, store: CountingStore, clock: FakeClock, published: list[Accounts]
    ) -> None:
        await put(store, token="a", expires=clock.now() + 10)
        await feed.refresh()
        published.clear()
        clock.pass_time(9)
        await feed.refresh()
        assert published == []
        clock.pass_time(1)
        await feed.refresh()
        await feed.refresh()
        assert published == [feed.accounts]

    run_with(tmp_path, test)


def test_through_an_outage_the_accounts_stay_and_it_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(
        feed: AccountsFeed, store: CountingStore, _: FakeClock, published: list[Accounts]
    ) -> None:
        await put(store, token="a")
        await feed.refresh()
        store.is_down = True
        for _number in range(3):
            with pytest.raises(ServiceUnavailableError):
                await feed.refresh()
        connected = [feed.is_connected]
        assert set(feed.accounts.keys) == {"a"}
        store.is_down = False
        await put(store, token="b")
        await feed.refresh()
        assert [*connected, feed.is_connected] == [False, True]
        assert set(published[-1].keys) == {"a", "b"}

    with caplog.at_level(logging.WARNING, "puna.gateway"):
        run_with(tmp_path, test)
    told = [one.message for one in caplog.records]
    assert told == ["Keys and budgets stay as they were: down", "The database answers again"]


def test_a_database_without_tables_is_not_served(tmp_path: Path) -> None:
    async def run() -> None:
        feed = AccountsFeed(make_store(make_url("sqlite", tmp_path)), FakeClock())
        with pytest.raises(ConfigError, match="puna db migrate"):
            await feed.start()
        await feed.close()

    asyncio.run(run())


def test_while_the_database_is_down_known_keys_work_and_the_admin_api_says_so(
    tmp_path: Path,
) -> None:
    house = GovernedHouse(tmp_path, url=migrated_url(tmp_path))
    key = house.make_key()
    assert house.get("/health/readiness").json["db"] == "connected"
    feed = house.app.feed
    assert feed is not None
    asyncio.run(
        feed.store.database.run(
            lambda c: c.exec_driver_sql("DROP TABLE puna_revision"), writes=True
        )
    )
    assert house.chat(key).status == 200
    assert house.chat("sk-unknown-key-000").status == 401
    answer = house.admin("/key/generate", {"models": []})
    assert answer.status == 503
    assert answer.error["code"] == "database_unavailable"
    assert house.get("/health/readiness").json["db"] == "Not connected"
