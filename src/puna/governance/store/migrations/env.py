"""Alembic runs this file: it migrates over the connection that `migrate.py` gives it."""

from __future__ import annotations

from alembic import context

from puna.governance.store.tables import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
