"""The `puna` command, run in this process or as one of its own."""

from __future__ import annotations

import subprocess
import sys

from click.testing import CliRunner, Result
from tests.support.processes import environment

from puna.cli.main import puna


def run(*arguments: str, stdin: str | None = None, **variables: str) -> Result:
    """The command in this process."""
    return CliRunner(env=variables).invoke(puna, arguments, input=stdin)


def start(*arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """The command as a process that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "puna.cli", *arguments],
        env=environment(**variables),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def chat(*arguments: str, stdin: str | None = None, **variables: str) -> Result:
    """`puna chat` in this process."""
    return CliRunner(env=variables).invoke(puna, ("chat", *arguments), input=stdin)
