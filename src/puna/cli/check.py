"""`puna check`."""

from __future__ import annotations

import os
import sys

import click


@click.command()
@click.argument("file", type=click.Path())
@click.option("--strict", is_flag=True, help="Exit with status 1 on warnings too.")
def check(file: str, *, strict: bool) -> None:
    """Check a config.yaml without serving it.

    Errors and warnings name the line and the key; unknown keys come with the nearest known name.
    """
    from puna.gateway.options import ServeOptions, load_directory

    directory = load_directory(ServeOptions(config=file), os.environ)
    for notice in directory.notices:
        where = f"{file}:{notice.line}" if notice.line else file
        click.echo(f"{where}: {notice.severity}: {notice.message}")
    names = directory.names()
    click.echo(
        f"{file}: {len(directory.config.deployments)} deployments; models: "
        f"{', '.join(names) or 'wildcards only'}"
    )
    if strict and any(notice.severity == "warning" for notice in directory.notices):
        sys.exit(1)
