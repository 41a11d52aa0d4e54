"""A store in a SQLite file, shared by all workers of one machine.

Responses are kept for 30 days, as OpenAI keeps them. The file holds conversations in plain text:
it is made readable for its owner only.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from puna.bridges.responses.stored import StoredResponse
from puna.errors import ConfigError, ServiceUnavailableError

T = TypeVar("T")

_KEPT_S = 30 * 24 * 3600
_BUSY_S = 10.0
_TABLE = """
CREATE TABLE IF NOT EXISTS responses (
    owner TEXT NOT NULL,
    response_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (owner, response_id)
) WITHOUT ROWID
"""
_BY_AGE = "CREATE INDEX IF NOT EXISTS responses_by_age ON responses (created_at)"


class SQLiteStore:
    """One connection, used by one thread at a time; the event loop never waits for the disk."""

    def __init__(self, path: str) -> None:
        """Open or make the file.

        Raises:
            ConfigError: it cannot be used.
        """
        self._lock = threading.Lock()
        try:
            os.close(os.open(Path(path).expanduser(), os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(
                Path(path).expanduser(),
                timeout=_BUSY_S,
                isolation_level=None,
                check_same_thread=False,
            )
            for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL"):
                self._db.execute(statement)
            self._db.execute(_TABLE)
            self._db.execute(_BY_AGE)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"the response store `{path}` cannot be used: {error}. Give a file in a folder "
                "that this process may write to",
                key="general_settings.response_store",
            ) from error

    async def put(self, stored: StoredResponse) -> None:
        """Keep a response; those past their time go.

        Raises:
            ServiceUnavailableError: the file cannot be used, as in `get` and `delete`.
        """
        await _in_thread(self._put, stored)

    async def get(self, owner: str, response_id: str) -> StoredResponse | None:
        """A response that this owner made, or None."""
        return await _in_thread(self._get, owner, response_id)

    async def delete(self, owner: str, response_id: str) -> bool:
        """Forget a response; whether it was there."""
        return await _in_thread(self._delete, owner, response_id)

    async def close(self) -> None:
        """Close the file."""
        await asyncio.to_thread(self._close)

    def _put(self, stored: StoredResponse) -> None:
        row = (stored.owner, stored.response_id, stored.created_at, stored.to_json())
        with self._lock:
            self._db.execute(
                "DELETE FROM responses WHERE created_at < ?", (stored.created_at - _KEPT_S,)
            )
            self._db.execute("INSERT OR REPLACE INTO responses VALUES (?, ?, ?, ?)", row)

    def _get(self, owner: str, response_id: str) -> StoredResponse | None:
        with self._lock:
            row = self._db.execute(
                "SELECT content FROM responses WHERE owner = ? AND response_id = ?",
                (owner, response_id),
            ).fetchone()
        return StoredResponse.from_json(response_id, owner, row[0]) if row is not None else None

    def _delete(self, owner: str, response_id: str) -> bool:
        with self._lock:
            done = self._db.execute(
                "DELETE FROM responses WHERE owner = ? AND response_id = ?", (owner, response_id)
            )
            return done.rowcount > 0

    def _close(self) -> None:
        with self._lock:
            self._db.close()


async def _in_thread(work: Callable[..., T], *given: Any) -> T:
    try:
        return await asyncio.to_thread(work, *given)
    except sqlite3.Error as error:
        raise ServiceUnavailableError(
            f"The store of responses cannot be used: {error}.",
            code="response_store_unavailable",
            fault="operator",
        ) from error
