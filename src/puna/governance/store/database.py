"""A database of accounts: where it is, and how work on it is run, with a deadline.

The work itself is a function of a SQLAlchemy connection, the same for SQLite and PostgreSQL. SQLite
runs it in one thread of its own: a statement costs a third of the CPU there that `aiosqlite` would
take. PostgreSQL runs it over asyncpg.

SQLAlchemy is loaded with this module, so only where a database is configured.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

from puna.errors import ConfigError, ServiceUnavailableError
from puna.governance.store.wal import use_wal
from puna.types.secret import Secret

T = TypeVar("T")

DEADLINE_S = 3.0
"""How long one piece of work may take, the wait for a connection or a locked file included."""

_KEY = "general_settings.database_url"
_CONNECTIONS = 4
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


class Database(Protocol):
    """Runs work on a database within a deadline."""

    name: str
    """The database as an operator may read it: without a password."""

    async def run(self, work: Callable[[Connection], T], *, writes: bool = False) -> T:
        """Run work in one transaction, which is undone where the work raises.

        Raises:
            ServiceUnavailableError: the database cannot be used, or took too long.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def open_database(url: Secret, *, deadline_s: float = DEADLINE_S) -> Database:
    """The database at a URL: `sqlite:///FILE`, `postgresql://USER:PASSWORD@HOST/NAME`.

    Nothing is read or written yet, but a SQLite file is created where there is none.

    Raises:
        ConfigError: the URL is none of these, or the file cannot be used.
    """
    try:
        parsed = make_url(url.reveal().strip())
        kind = parsed.drivername.partition("+")[0]
    except (ArgumentError, ValueError):
        kind = ""
        parsed = URL.create("none")
    if kind == "sqlite" and parsed.database and not parsed.query:
        return SQLiteDatabase(parsed.database, deadline_s)
    if kind in {"postgresql", "postgres"} and parsed.database:
        return PostgreSQLDatabase(parsed, deadline_s)
    raise ConfigError(
        f"`{_KEY}` names no database that can be used. Write `sqlite:///FILE` (with one slash more "
        "for an absolute path) or `postgresql://USER:PASSWORD@HOST:PORT/NAME`",
        key=_KEY,
    )


class SQLiteDatabase:
    """A SQLite file in WAL mode, which all workers of one host share."""

    def __init__(self, path: str, deadline_s: float = DEADLINE_S) -> None:
        """Create the file where there is none; it can be read by its owner only.

        Raises:
            ConfigError: the file cannot be used.
        """
        self.name = f"sqlite:///{path}"
        self._deadline_s = deadline_s
        file = Path(path).expanduser()
        try:
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise ConfigError(
                f"the database `{path}` cannot be used: {error.strerror or error}. Give a file in "
                "a folder that this process may write to",
                key=_KEY,
            ) from error
        self._engine = _sqlite_engine(file, deadline_s)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")

    async def run(self, work: Callable[[Connection], T], *, writes: bool = False) -> T:
        """Run work in one transaction, in the database's thread.

        Raises:
            ServiceUnavailableError: the file cannot be used, or stayed locked for too long.
        """
        until = time.monotonic() + self._deadline_s
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._within, until, work, writes)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise unusable(self.name, error) from error

    def _within(self, until: float, work: Callable[[Connection], T], writes: bool) -> T:  # noqa: FBT001 - by position: `run_in_executor` knows no keywords
        left_s = until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("it is busy")
        with self._engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={int(left_s * 1000)}")
            # From the start on, so that what is read cannot be out of date when it is written.
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
            try:
                done = work(connection)
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                with suppress(SQLAlchemyError):
                    connection.exec_driver_sql("ROLLBACK")
                raise
            return done

    async def close(self) -> None:
        """Close the file."""
        with suppress(RuntimeError):  # no thread can be started any more
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._engine.dispose)
        self._thread.shutdown()


def _sqlite_engine(file: Path, deadline_s: float) -> Engine:
    # One connection, used in one thread at a time; transactions are begun and ended by hand.
    engine = create_engine(
        URL.create("sqlite", database=str(file)),
        poolclass=StaticPool,
        isolation_level="AUTOCOMMIT",
        connect_args={"check_same_thread": False, "timeout": deadline_s},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        use_wal(connection, time.monotonic() + deadline_s)
        for statement in (
            # A change of keys must outlast a power cut: a withdrawn key may not come back.
            "PRAGMA synchronous=FULL",
            "PRAGMA foreign_keys=ON",
        ):
            connection.execute(statement).close()

    return engine


class PostgreSQLDatabase:
    """A PostgreSQL server, over a few connections of this process."""

    def __init__(self, url: URL, deadline_s: float = DEADLINE_S) -> None:
        """Connect to nothing yet.

        Raises:
            ConfigError: the URL has an option that is not known.
        """
        self.name = url.set(password=None, query={}).render_as_string()
        self._deadline_s = deadline_s
        arguments, connections = _asyncpg_options(url)
        self._engine = create_async_engine(
            url.set(drivername="postgresql+asyncpg", query={}),
            connect_args={"timeout": deadline_s, "command_timeout": deadline_s, **arguments},
            pool_size=connections,
            max_overflow=0,
            pool_pre_ping=True,
            pool_timeout=deadline_s,
        )

    async def run(self, work: Callable[[Connection], T], *, writes: bool = False) -> T:  # noqa: ARG002 - PostgreSQL locks what is written by itself
        """Run work in one transaction.

        Raises:
            ServiceUnavailableError: the server cannot be reached, or took too long.
        """
        try:
            async with asyncio.timeout(self._deadline_s), self._engine.begin() as connection:
                return await connection.run_sync(work)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise unusable(self.name, error) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()


def _asyncpg_options(url: URL) -> tuple[dict[str, Any], int]:
    """What the query of a URL says, for asyncpg, and how many connections there may be.

    The names are libpq's and Prisma's, whose URLs LiteLLM's users have.
    """
    arguments: dict[str, Any] = {}
    connections = _CONNECTIONS
    for name, value in url.normalized_query.items():
        text = value[-1]
        if name in {"sslmode", "ssl"} and text in _SSL_MODES:
            arguments["ssl"] = text
        elif name == "schema":
            arguments["server_settings"] = {"search_path": text}
        elif name == "host" and text.startswith("/"):
            arguments["host"] = text  # the folder of a Unix socket
        elif name == "connection_limit" and text.isdecimal() and int(text):
            connections = int(text)
        elif name not in {"connect_timeout", "pool_timeout"}:  # the deadline takes their place
            raise ConfigError(
                f"`{_KEY}` has the option `{name}`, which is not known or has a wrong value. Known "
                f"are `sslmode` ({', '.join(_SSL_MODES)}), `schema`, `host` and `connection_limit`",
                key=_KEY,
            )
    return arguments, connections


def unusable(name: str, error: BaseException) -> ServiceUnavailableError:
    """The error for a database that cannot be used. It shows no statement and no value."""
    original: object = getattr(error, "orig", None) or error
    said = "it took too long" if isinstance(original, TimeoutError) else str(original)
    lines = said.splitlines() or [type(original).__name__]
    return ServiceUnavailableError(
        f"The database `{name}` cannot be used: {lines[0].rstrip('.')}.",
        code="database_unavailable",
        fault="operator",
    )
