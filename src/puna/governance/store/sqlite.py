"""A store in a SQLite file, shared by all workers of one machine.

Responses are kept for 30 days, as OpenAI keeps them. The file holds conversations in plain text:
it is made readable for its owner only.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from puna.bridges.responses.stored import StoredResponse
from puna.config.schema import DEFAULT_STORE_BYTES
from puna.errors import ConfigError, InternalServerError, ServiceUnavailableError
from puna.governance.store.wal import use_wal

T = TypeVar("T")

_KEPT_S = 30 * 24 * 3600
_BUSY_S = 3.0
_TABLE = """
CREATE TABLE IF NOT EXISTS responses (
    owner TEXT NOT NULL,
    response_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (owner, response_id)
) WITHOUT ROWID
"""
_ITEMS = """
CREATE TABLE IF NOT EXISTS items (
    owner TEXT NOT NULL,
    item_id TEXT NOT NULL,
    response_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (owner, item_id)
) WITHOUT ROWID
"""
"""Which response an item is of."""
_FORGOTTEN_SHARE = 8
_FORGET = """
DELETE FROM responses WHERE (owner, response_id) IN
    (SELECT owner, response_id FROM responses ORDER BY created_at LIMIT ?)
"""
_BY_AGE = "CREATE INDEX IF NOT EXISTS responses_by_age ON responses (created_at)"
_ITEMS_BY_AGE = "CREATE INDEX IF NOT EXISTS items_by_age ON items (created_at)"


class SQLiteStore:
    """Stores responses in a SQLite file, over one connection that is used in one thread of its own.

    The event loop never waits for the disk. The thread is not one of asyncio's default executor: a
    locked file would block all of these, and asyncio resolves host names there.
    """

    def __init__(
        self, path: str, *, busy_s: float = _BUSY_S, most_bytes: int = DEFAULT_STORE_BYTES
    ) -> None:
        """Open the file, or create it.

        Args:
            path: where the file is.
            busy_s: the most seconds that a call waits for a file that another process locks.
            most_bytes: above this size of the stored content, the oldest responses are deleted.

        Raises:
            ConfigError: the file cannot be used.
        """
        self._busy_s = busy_s
        self._most_bytes = most_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="responses")
        try:
            _make_private(Path(path).expanduser())
            self._db = sqlite3.connect(
                Path(path).expanduser(),
                timeout=busy_s,
                isolation_level=None,
                check_same_thread=False,
            )
            use_wal(self._db, time.monotonic() + busy_s)
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(_TABLE)
            self._db.execute(_ITEMS)
            self._db.execute(_BY_AGE)
            self._db.execute(_ITEMS_BY_AGE)
        except (OSError, ValueError, RuntimeError, sqlite3.Error) as error:
            # ValueError: a null byte in the path. RuntimeError: `~` of a user that there is not.
            raise ConfigError(
                f"the response store `{path}` cannot be used: {error}. Give a file in a folder "
                "that this process may write to",
                key="general_settings.response_store",
            ) from error

    async def put(self, stored: StoredResponse) -> None:
        """Store a response, and delete those that are past their time.

        Raises:
            ServiceUnavailableError: the file cannot be used; `get`, `find_item` and `delete` raise
                it too.
        """
        await self._in_thread(self._put, stored)

    async def get(self, owner: str, response_id: str) -> StoredResponse | None:
        """A response that this owner made, or None."""
        return await self._in_thread(self._get, owner, response_id)

    async def find_item(self, owner: str, item_id: str) -> StoredResponse | None:
        """The response of this owner that an item was new in, or None."""
        return await self._in_thread(self._find_item, owner, item_id)

    async def delete(self, owner: str, response_id: str) -> bool:
        """Delete a response of this owner; gives whether there was one."""
        return await self._in_thread(self._delete, owner, response_id)

    async def close(self) -> None:
        """Close the file, in the thread; where none was needed and none can be started, here."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._db.close)
        except RuntimeError:  # under a memory limit; nobody else uses the file then
            self._db.close()
        self._thread.shutdown()

    def _put(self, stored: StoredResponse) -> None:
        content = stored.to_json()
        if len(content) > self._most_bytes:
            raise _too_large(len(content), self._most_bytes)
        row = (stored.owner, stored.response_id, stored.made_at, content)
        self._db.execute("DELETE FROM responses WHERE created_at < ?", (stored.made_at - _KEPT_S,))
        self._db.execute("INSERT OR REPLACE INTO responses VALUES (?, ?, ?, ?)", row)
        self._db.execute("DELETE FROM items WHERE created_at < ?", (stored.made_at - _KEPT_S,))
        items = [(stored.owner, one, stored.response_id, stored.made_at) for one in stored.item_ids]
        self._db.executemany("INSERT OR IGNORE INTO items VALUES (?, ?, ?, ?)", items)
        while self._size() > self._most_bytes and self._forget_oldest():
            pass

    def _size(self) -> int:
        """The bytes of the file that hold data, without its free pages."""
        pages, free, size = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (int(pages) - int(free)) * int(size)

    def _forget_oldest(self) -> bool:
        """Delete the oldest eighth of the responses; False when only the newest was left."""
        count = int(self._db.execute("SELECT COUNT(*) FROM responses").fetchone()[0])
        if count <= 1:
            return False
        self._db.execute(_FORGET, (1 + (count - 1) // _FORGOTTEN_SHARE,))
        self._db.execute(
            "DELETE FROM items WHERE created_at < (SELECT MIN(created_at) FROM responses)"
        )
        return True

    def _get(self, owner: str, response_id: str) -> StoredResponse | None:
        row = self._db.execute(
            "SELECT content FROM responses WHERE owner = ? AND response_id = ?",
            (owner, response_id),
        ).fetchone()
        if row is None:
            return None
        try:
            return StoredResponse.from_json(response_id, owner, row[0])
        except (ValueError, TypeError, RecursionError):
            raise InternalServerError(
                f"The stored response `{response_id}` is damaged; delete it, and begin anew.",
                code="stored_response_damaged",
                fault="operator",
                is_retryable=False,
            ) from None

    def _find_item(self, owner: str, item_id: str) -> StoredResponse | None:
        row = self._db.execute(
            "SELECT response_id FROM items WHERE owner = ? AND item_id = ?", (owner, item_id)
        ).fetchone()
        return self._get(owner, row[0]) if row is not None else None

    def _delete(self, owner: str, response_id: str) -> bool:
        done = self._db.execute(
            "DELETE FROM responses WHERE owner = ? AND response_id = ?", (owner, response_id)
        )
        self._db.execute(
            "DELETE FROM items WHERE owner = ? AND response_id = ?", (owner, response_id)
        )
        return done.rowcount > 0

    async def _in_thread(self, work: Callable[..., T], *given: Any) -> T:
        """Run `work` in the store's thread.

        Time spent waiting for the thread counts towards `busy_s`.
        """
        loop = asyncio.get_running_loop()
        until = time.monotonic() + self._busy_s
        try:
            return await loop.run_in_executor(self._thread, self._within, until, work, given)
        except sqlite3.Error as error:
            raise _unusable(error) from error

    def _within(self, until: float, work: Callable[..., T], given: tuple[Any, ...]) -> T:
        """Run `work` in the thread.

        Raise when `until`, an instant of the steady clock, has passed.
        """
        left_s = until - time.monotonic()
        if left_s <= 0:
            raise sqlite3.OperationalError("it is busy")
        self._db.execute(f"PRAGMA busy_timeout={int(left_s * 1000)}")
        return work(*given)


def _make_private(path: Path) -> None:
    """Create the file, or remove other users' access to it: it holds conversations."""
    opened = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        if os.fstat(opened).st_mode & 0o077:
            with suppress(PermissionError):  # another user's file, which this one may use
                os.fchmod(opened, 0o600)
    finally:
        os.close(opened)


def _too_large(size: int, most_bytes: int) -> ServiceUnavailableError:
    """The error for a response that is larger than the whole store."""
    return ServiceUnavailableError(
        f"The response takes {size} bytes, and the store of responses keeps {most_bytes}; raise "
        "`general_settings.response_store_size_mb`.",
        code="response_store_full",
        fault="operator",
    )


def _unusable(error: sqlite3.Error) -> ServiceUnavailableError:
    """The error for a store whose file cannot be used."""
    return ServiceUnavailableError(
        f"The store of responses cannot be used: {error}.",
        code="response_store_unavailable",
        fault="operator",
    )
