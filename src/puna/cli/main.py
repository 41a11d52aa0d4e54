"""The command group. Each command loads what it needs when it runs, so `--help` is quick."""

from __future__ import annotations

import sys

import click

from puna.cli.chat import chat
from puna.cli.check import check
from puna.cli.db import db
from puna.cli.doctor import doctor
from puna.cli.models import models
from puna.cli.record import record
from puna.cli.serve import serve
from puna.errors import ConfigError, PunaError
from puna.version import __version__


def _with_underscores(name: str) -> str:
    """The name of an option or a command, so that `--api-base` and `--api_base` are the same."""
    return name.replace("-", "_")


@click.group(
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": _with_underscores,
    }
)
@click.version_option(__version__, prog_name="puna")
def puna() -> None:
    """One thin layer between your application and every place that serves Llama.

    Without a configuration and without a key, `puna serve` and `puna chat` use the embedded model.
    """


for command in (serve, record, chat, models, check, doctor, db):
    puna.add_command(command)


def main() -> None:
    """Run the command. An error of ours is a line on stderr and status 1.

    A configuration's error is a line for each problem, after the warnings that may explain them.
    """
    try:
        puna(prog_name="puna")
    except ConfigError as error:
        for line in error.warnings:
            click.echo(line, err=True)
        for line in error.problems:
            click.echo(f"puna: {line}", err=True)
        sys.exit(1)
    except PunaError as error:
        click.echo(f"puna: {error}", err=True)
        sys.exit(1)
