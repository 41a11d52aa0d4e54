"""`puna record`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from puna.cli.serve import accepts_usual_options, run_gateway
from puna.errors import ConfigError


@click.command()
@click.argument("cassette", type=click.Path(dir_okay=False, path_type=Path))
@accepts_usual_options
def record(cassette: Path, **options: Any) -> None:
    """Serve, and write what hosts answer into the file CASSETTE, without keys.

    Point your program at the address that is shown, let it run, and end this with Ctrl-C. The file
    holds what your program sent, too. It replays without network and key in Client(replay=...).
    """
    if cassette.exists():
        raise click.UsageError(f"{cassette} is there already: delete it or name another file.")
    if not cassette.absolute().parent.is_dir():
        raise click.UsageError(f"There is no folder {cassette.parent} to write {cassette.name} in.")
    from puna.gateway.logs.output import operator_output

    with operator_output() as announce:
        announce(f"recording into {cassette}, until Ctrl-C")
        run_gateway(record=str(cassette), **options)
        announce(_summary(cassette))


def _summary(cassette: Path) -> str:
    """One line for the user: how many exchanges the cassette holds."""
    try:
        text = cassette.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the cassette is gone: {error.strerror}; leave it where it is while it is recorded.",
            file=str(cassette),
        ) from error
    count = len(json.loads(text)["exchanges"])
    what = "1 exchange" if count == 1 else f"{count} exchanges"
    return f"{what} in {cassette}; to replay: Client(replay={str(cassette)!r})"
