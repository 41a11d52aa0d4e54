"""Migrations: from nothing and from each earlier schema to the tables of this version."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from tests.support.databases import KINDS, make_store, make_url

from puna.errors import ConfigError
from puna.governance.store.migrate import known_migrations, migrate, status
from puna.governance.store.sqlite import SQLiteStore
from puna.governance.store.tables import METADATA, SCHEMA, VERSION_TABLE

pytestmark = pytest.mark.xdist_group("postgresql")


def differences(connection: Connection) -> list[object]:
    made = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return list(compare_metadata(made, METADATA))


@pytest.mark.parametrize("kind", KINDS)
def test_the_migrations_make_the_tables_of_this_version(kind: str, tmp_path: Path) -> None:
    async def run() -> None:
        store = make_store(make_url(kind, tmp_path))
        assert await status(store.database) is None
        with pytest.raises(ConfigError, match="puna db migrate"):
            await store.check_schema()
        assert await migrate(store.database) == (None, SCHEMA)
        assert await status(store.database) == SCHEMA
        await store.check_schema()
        assert await store.database.run(differences) == []
        assert await migrate(store.database) == (SCHEMA, SCHEMA)
        assert await store.revision() == 1
        await store.close()

    asyncio.run(run())


def test_the_newest_migration_is_the_schema_that_this_version_wants() -> None:
    assert known_migrations()[-1] == SCHEMA


@pytest.mark.parametrize("kind", KINDS)
def test_two_that_migrate_at_once_make_the_tables_once(kind: str, tmp_path: Path) -> None:
    async def run() -> None:
        url = make_url(kind, tmp_path)
        stores = [make_store(url), make_store(url)]
        made = await asyncio.gather(*(migrate(one.database) for one in stores))
        assert sorted(made, key=str) == [(SCHEMA, SCHEMA), (None, SCHEMA)]
        for one in stores:
            await one.close()

    asyncio.run(run())


@contextmanager
def written_by_another(path: str) -> Generator[None]:
    """Another program writes a new file at this path for a moment."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE theirs(x)")
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO theirs VALUES (1)")
    end = threading.Timer(0.2, lambda: other.execute("COMMIT"))
    end.start()
    yield
    end.join()
    other.close()


def test_a_new_file_that_another_program_writes_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself refuses at once to change the journal of such a file."""
    url = make_url("sqlite", tmp_path)

    async def make_tables() -> None:
        store = make_store(url)
        assert await migrate(store.database) == (None, SCHEMA)
        await store.close()

    async def open_responses(path: str) -> None:
        await SQLiteStore(path).close()

    with written_by_another(url.removeprefix("sqlite:///")):
        asyncio.run(make_tables())
    responses = str(tmp_path / "responses.db")
    with written_by_another(responses):
        asyncio.run(open_responses(responses))


@pytest.mark.parametrize("kind", KINDS)
def test_a_database_of_a_newer_version_is_left_alone_and_not_served(
    kind: str, tmp_path: Path
) -> None:
    async def run() -> None:
        store = make_store(make_url(kind, tmp_path))
        await migrate(store.database)
        await store.database.run(
            lambda connection: connection.execute(
                text("UPDATE puna_schema_version SET version_num = '9999'")
            ),
            writes=True,
        )
        with pytest.raises(ConfigError, match="`9999`"):
            await store.check_schema()
        assert await migrate(store.database) == ("9999", "9999")
        await store.close()

    asyncio.run(run())
