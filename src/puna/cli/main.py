"""The command group. Each command loads what it needs when it runs, so `--help` is quick."""

from __future__ import annotations

import sys

import click

from puna.cli.chat import chat
from puna.cli.check import check
from puna.cli.models import models
from puna.cli.record import record
from puna.cli.serve import serve
from puna.errors import PunaError
from puna.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="puna")
def puna() -> None:
    """One thin layer between your application and every place that serves Llama.

    Without a configuration and without a key, `puna serve` and `puna chat` use the embedded model.
    """


for command in (serve, record, chat, models, check):
    puna.add_command(command)


def main() -> None:
    """Run the command. An error of ours is one line on stderr and status 1."""
    try:
        puna(prog_name="puna")
    except PunaError as error:
        click.echo(f"puna: {error}", err=True)
        sys.exit(1)
