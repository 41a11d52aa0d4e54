"""Gateways that share a database: what is changed at one holds at the other, on open connections.

A gateway asks for changes twice a second (`POLL_S`), which bounds how long that takes.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.test_gateway_keys import ask
from tests.support.databases import KINDS, make_url, migrated
from tests.support.governed import MASTER, bearer, config_for, migrated_url
from tests.support.live import Live
from tests.support.upstream import Upstream

from puna.errors import ConfigError
from puna.gateway.accounts_feed import POLL_S
from puna.governance.accounts import Accounts
from puna.governance.records import KeyRecord
from puna.governance.store.accounts import AccountWriter

pytestmark = pytest.mark.xdist_group("postgresql")

CONFIG = """
model_list:
  - model_name: m
    litellm_params: {model: openai/m, api_key: sk-host, api_base: "UPSTREAM"}
"""
PATH = "/v1/chat/completions"
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
PATIENCE_S = 30.0


def call(live: Live, path: str, body: Any) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{live.port}{path}",
        json.dumps(body).encode(),
        {**bearer(MASTER), "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - as above
        return json.load(answer)


def wait_for(connection: Any, key: str, status: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while ask(connection, key, PATH, CHAT)[0] != status:
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_is_withdrawn_at_one_gateway_is_refused_by_the_other_on_an_open_connection(
    upstream: Upstream, tmp_path: Path, kind: str
) -> None:
    config = config_for(migrated_url(tmp_path, kind), CONFIG.replace("UPSTREAM", upstream.url))
    with Live(config) as one, Live(config) as other, other.connect() as connection:
        key = call(one, "/key/generate", {"models": ["m"]})["key"]
        # The other gateway has not heard of it yet, and looks for it at once.
        answers = [ask(connection, key, PATH, CHAT) for _ in range(3)]
        assert answers == [(200, "full"), (200, "fast"), (200, "fast")]
        call(one, "/key/block", {"key": key})
        with one.connect() as own:
            assert ask(own, key, PATH, CHAT)[0] == 401  # where it is done, it holds at once
        wait_for(connection, key, 401)
        call(one, "/key/unblock", {"key": key})
        wait_for(connection, key, 200)
        call(one, "/key/delete", {"keys": [key]})
        wait_for(connection, key, 401)
        asked = len(upstream.requests)
        assert ask(connection, key, PATH, CHAT)[0] == 401
        assert len(upstream.requests) == asked


def test_what_is_changed_holds_elsewhere_within_a_second() -> None:
    assert POLL_S <= 0.5


def test_a_reload_keeps_the_keys_that_were_made_meanwhile(
    upstream: Upstream, tmp_path: Path
) -> None:
    config = config_for(migrated_url(tmp_path), CONFIG.replace("UPSTREAM", upstream.url))
    with Live(config) as live, live.connect() as connection:
        first = call(live, "/key/generate", {"models": []})["key"]

        def prepare() -> Any:
            return live.app.prepare(live.app.config.directory)

        prepared = live.do(prepare)
        second = call(live, "/key/generate", {"models": []})["key"]
        call(live, "/key/block", {"key": first})
        live.do(lambda: live.app.swap(prepared))
        assert ask(connection, first, PATH, CHAT)[0] == 401
        assert ask(connection, second, PATH, CHAT) == (200, "fast")


def test_a_reload_with_another_database_is_refused(upstream: Upstream, tmp_path: Path) -> None:
    text = CONFIG.replace("UPSTREAM", upstream.url)
    with Live(config_for(migrated_url(tmp_path), text)) as live:
        for other in (config_for(migrated_url(tmp_path), text), text):
            with pytest.raises(ConfigError, match="restart"):
                live.reload(other)


def test_ten_thousand_keys_are_read_in_one_question(tmp_path: Path) -> None:
    def put(writer: AccountWriter) -> None:
        for number in range(10_000):
            writer.put(KeyRecord(token=f"{number:064}"))

    async def run() -> None:
        store = await migrated(make_url("sqlite", tmp_path))
        await store.write(put)
        changes = await store.changes_since(0)
        await store.close()
        assert len(Accounts().updated(changes.revision, changes.records).keys) == 10_000

    asyncio.run(run())
