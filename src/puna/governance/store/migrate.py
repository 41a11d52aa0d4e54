"""Brings a database to the schema of this version, or says which one it has."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from puna.governance.store.accounts import schema_of
from puna.governance.store.database import Database
from puna.governance.store.tables import SCHEMA

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x70756E61
"""Of PostgreSQL, so that of two commands that migrate at once the second waits."""


def migration_config() -> Config:
    """Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config


def known_migrations() -> tuple[str, ...]:
    """All migrations of this version, the oldest first."""
    scripts = ScriptDirectory.from_config(migration_config()).walk_revisions()
    return tuple(reversed([one.revision for one in scripts]))


async def migrate(database: Database, target: str = SCHEMA) -> tuple[str | None, str | None]:
    """Run the migrations that a database has not seen, in one transaction.

    Returns the schema before, and the one after. A database with a newer schema is left alone.

    Raises:
        ServiceUnavailableError: the database cannot be used.
    """

    def work(connection: Connection) -> tuple[str | None, str | None]:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        before = schema_of(connection)
        if before is not None and before not in known_migrations():
            return before, before
        config = migration_config()
        config.attributes["connection"] = connection
        command.upgrade(config, target)
        return before, schema_of(connection)

    return await database.run(work, writes=True)


async def status(database: Database) -> str | None:
    """The schema that a database has, or None.

    Raises:
        ServiceUnavailableError: the database cannot be used.
    """
    return await database.run(schema_of)
