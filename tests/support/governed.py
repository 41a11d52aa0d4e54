"""A gateway in this process with a database of accounts, and calls of its admin API.

house = GovernedHouse(tmp_path)
key = house.make_key(models=["m"])
house.admin("/key/block", {"key": key})
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.asgi import Answer, House
from tests.support.databases import make_url, migrated
from tests.support.usual import play

from puna.governance.records import AuditRecord
from puna.transports.replay import AsyncReplayTransport

MASTER = "sk-master-canary-1909"
CONFIG = """
model_list:
  - model_name: m
    litellm_params: {model: openai/m, api_key: sk-host, api_base: "http://up.test/v1"}
    model_info: {access_groups: [beta]}
  - model_name: other
    litellm_params: {model: openai/other, api_key: sk-host, api_base: "http://up.test/v1"}
  - model_name: "llama/*"
    litellm_params: {model: "openai/*", api_key: sk-host, api_base: "http://up.test/v1"}
router_settings: {model_group_alias: {nickname: m}}
"""
CHAT: Mapping[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def bearer(key: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"authorization": f"Bearer {key}"}


def migrated_url(folder: Path, kind: str = "sqlite") -> str:
    """The URL of a new database with all tables."""
    url = make_url(kind, folder)

    async def make() -> None:
        await (await migrated(url)).close()

    asyncio.run(make())
    return url


def config_for(url: str, config: str = CONFIG) -> str:
    """A configuration with a master key and this database."""
    return f'{config}general_settings: {{master_key: {MASTER}, database_url: "{url}"}}\n'


class GovernedHouse(House):
    """A gateway with a database, and without a socket. Each has read all accounts at first."""

    def __init__(
        self, folder: Path, *, url: str | None = None, config: str = CONFIG, **how: Any
    ) -> None:
        self.url = url or migrated_url(folder)
        self.transport = AsyncReplayTransport(play)
        how.setdefault("transport", self.transport)
        super().__init__(config=config_for(self.url, config), **how)
        asyncio.run(self._load())

    async def _load(self) -> None:
        assert self.app.feed is not None
        await self.app.feed.load()

    def refresh(self) -> None:
        """Do what the worker does twice a second."""

        async def refresh() -> None:
            assert self.app.feed is not None
            await self.app.feed.refresh()

        asyncio.run(refresh())

    def admin(
        self, path: str, body: Any = None, *, key: str = MASTER, method: str | None = None
    ) -> Answer:
        """One call of the admin API: a POST where there is a body."""
        how = method or ("GET" if body is None else "POST")
        return self.ask(path, body, bearer(key), method=how)

    def done(self, path: str, body: Any = None, *, key: str = MASTER) -> Any:
        """The answer of a call that must succeed."""
        answer = self.admin(path, body, key=key)
        assert answer.status == 200, answer.text
        return answer.json

    def make_key(self, *, by: str = MASTER, **fields: Any) -> str:
        """A new key."""
        return str(self.done("/key/generate", fields or {"metadata": {}}, key=by)["key"])

    def chat(self, key: str, model: str = "m", **fields: Any) -> Answer:
        """A chat completion with a key."""
        return self.ask("/v1/chat/completions", {**CHAT, "model": model, **fields}, bearer(key))

    def audit(self) -> tuple[AuditRecord, ...]:
        """The audit log, the last act first."""

        async def read() -> tuple[AuditRecord, ...]:
            assert self.app.feed is not None
            return await self.app.feed.store.audit_log()

        return asyncio.run(read())
