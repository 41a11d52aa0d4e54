"""`puna db`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from puna.governance.store.database import Database

_FILE = click.option(
    "--config", "-c", "file", type=click.Path(), help="The config.yaml that names the database."
)


@click.group()
def db() -> None:
    """Make and check the tables of virtual keys, teams and budgets.

    The database is `general_settings.database_url` of the file, else PUNA_DATABASE_URL or
    DATABASE_URL.
    """


@db.command()
@_FILE
def migrate(file: str | None) -> None:
    """Bring the database to the schema of this version.

    Gateways of an earlier version that use it must be replaced afterwards.
    """
    from puna.governance.store.migrate import migrate as migrate_database
    from puna.governance.store.tables import SCHEMA

    async def run() -> tuple[str | None, str | None, str]:
        database = _database_of(file)
        try:
            return (*await migrate_database(database), database.name)
        finally:
            await database.close()

    before, after, name = asyncio.run(run())
    if after != SCHEMA:
        click.echo(
            f"puna: `{name}` has the schema `{after}`, which this version does not know; it needs "
            f"`{SCHEMA}`. Run the version of Puna that made it",
            err=True,
        )
        sys.exit(1)
    done = "has all tables already" if before == after else f"migrated from {before or 'nothing'}"
    click.echo(f"{name}: schema {after}, {done}")


@db.command()
@_FILE
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
def status(file: str | None, *, as_json: bool) -> None:
    """Tell the schema of the database. The exit status is 1 where it has to be migrated."""
    from puna.governance.store.migrate import status as schema_of_database
    from puna.governance.store.tables import SCHEMA

    async def run() -> tuple[str | None, str]:
        database = _database_of(file)
        try:
            return await schema_of_database(database), database.name
        finally:
            await database.close()

    found, name = asyncio.run(run())
    is_right = found == SCHEMA
    if as_json:
        told = {"database": name, "schema": found, "needed": SCHEMA, "ok": is_right}
        click.echo(json.dumps(told))
    else:
        advice = "" if is_right else f", and {SCHEMA} is needed: run `puna db migrate`"
        click.echo(f"{name}: schema {found or 'none'}{advice}")
    if not is_right:
        sys.exit(1)


def _database_of(file: str | None) -> Database:
    """The database that is meant. Raises ConfigError where none is named."""
    from puna.config.litellm_yaml import load_litellm_yaml
    from puna.errors import ConfigError
    from puna.gateway.workers.settings import DATABASE_VARIABLES
    from puna.types.secret import Secret

    url, environ = None, dict(os.environ)
    if file is not None:
        config = load_litellm_yaml(file, environ, allow_unset=True)
        url = config.server.database_url
        environ |= {name: value.reveal() for name, value in config.environment.items()}
    for name in DATABASE_VARIABLES:
        if url is None and environ.get(name, "").strip():
            url = Secret(environ[name].strip())
    if url is None:
        raise ConfigError(
            "no database is named: set `general_settings.database_url` in the file of `--config`, "
            "or PUNA_DATABASE_URL",
            key="general_settings.database_url",
        )
    try:
        from puna.governance.store.database import open_database
    except ImportError as error:
        raise ConfigError(
            f"a database needs the package `{error.name}`: install `puna[database]`",
            key="general_settings.database_url",
        ) from error
    return open_database(url)
