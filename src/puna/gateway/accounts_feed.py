"""Keeps a worker's accounts up to date with the database.

The database has a revision, which each change of accounts raises. The worker asks for it twice a
second, and reads the rows that were written since. So what an administrator changes at one gateway,
such as a key that is withdrawn, holds at every other one within a second, as long as the database
answers. While it does not, the accounts stay as they are, and the log says so once.

A key that is not known may have been made a moment ago at another gateway: the worker asks once
more before it refuses it, for all such requests of 50 ms together.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from puna.engine.clock import Clock
from puna.errors import ConfigError, PunaError
from puna.governance.accounts import Accounts
from puna.types.secret import Secret

if TYPE_CHECKING:  # SQLAlchemy is loaded only where there is a database
    from puna.governance.store.accounts import AccountStore

_log = logging.getLogger("puna.gateway")

POLL_S: Final = 0.5
"""How often the worker asks whether something has changed."""
_GAP_S: Final = 0.05
"""The least time between two questions that requests with unknown keys cause."""


class AccountsFeed:
    """The accounts of one worker, and the task that keeps them up to date.

    Attributes:
        accounts: the newest that are known; without any row before `start`.
        store: where they are read from, and written to by the admin API.
    """

    def __init__(self, store: AccountStore, clock: Clock) -> None:
        self.store = store
        self.accounts = Accounts()
        self.publish: Callable[[Accounts], None] = lambda _: None
        """Called on the event loop with the accounts whenever they change, or a key expires."""
        self._clock = clock
        self._reading = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None
        self._began_s = -math.inf
        self._expires_at: float | None = None
        self._polling: asyncio.Task[None] | None = None
        self._is_failing = False

    @property
    def is_connected(self) -> bool:
        """Whether the database answered when it was asked last."""
        return not self._is_failing

    async def start(self) -> None:
        """Read all accounts, and keep them up to date from now on.

        Raises:
            ConfigError: the database has not the schema of this version.
            ServiceUnavailableError: it cannot be used.
        """
        await self.load()
        self._polling = asyncio.get_running_loop().create_task(self._poll())

    async def load(self) -> None:
        """Read all accounts, once. Raises as `start` does."""
        await self.store.check_schema()
        await self._read()

    async def refresh(self) -> None:
        """Read what has changed up to now, together with all who ask within a moment.

        Raises:
            ServiceUnavailableError: the database cannot be used.
        """
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._read_soon())
        await asyncio.shield(self._next)

    async def _read_soon(self) -> None:
        wait_s = self._began_s + _GAP_S - self._clock.monotonic()
        if wait_s > 0:
            await self._clock.sleep_async(wait_s)
        self._next = None  # who asks from now on wants to see what is written from now on
        await self._read()

    async def _read(self) -> None:
        async with self._reading:
            self._began_s = self._clock.monotonic()
            try:
                changes = await self.store.changes_since(self.accounts.revision)
            except PunaError as error:
                if not self._is_failing:
                    _log.error("Keys and budgets stay as they were: %s", error)
                self._is_failing = True
                raise
            if self._is_failing:
                _log.warning("The database answers again")
            self._is_failing = False
            now = self._clock.now()
            if changes.revision != self.accounts.revision:
                self.accounts = self.accounts.updated(changes.revision, changes.records)
            elif self._expires_at is None or now < self._expires_at:
                return
            self._expires_at = self.accounts.next_expiry(now)
            self.publish(self.accounts)

    async def _poll(self) -> None:
        while True:
            await self._clock.sleep_async(POLL_S)
            try:
                await self._read()
            except PunaError:
                self._drop_expired()
            except Exception:  # noqa: BLE001 - whatever is wrong, it is tried again
                _log.exception("The accounts could not be read")

    def _drop_expired(self) -> None:
        """Have expired keys forgotten also while the database does not answer."""
        now = self._clock.now()
        if self._expires_at is not None and now >= self._expires_at:
            self._expires_at = self.accounts.next_expiry(now)
            self.publish(self.accounts)

    async def close(self) -> None:
        """End the task, and close the database."""
        if self._polling is not None:
            self._polling.cancel()
            with suppress(asyncio.CancelledError):
                await self._polling
        await self.store.close()


def open_feed(url: Secret, clock: Clock) -> AccountsFeed:
    """The accounts in the database at a URL. Nothing is read yet.

    Raises:
        ConfigError: the URL is none that can be used, or the extra `database` is not installed.
    """
    try:
        from puna.governance.store.accounts import AccountStore
        from puna.governance.store.database import open_database
    except ImportError as error:
        raise ConfigError(
            f"`general_settings.database_url` needs the package `{error.name}`: install "
            "`puna[database]`",
            key="general_settings.database_url",
        ) from error
    return AccountsFeed(AccountStore(open_database(url)), clock)
