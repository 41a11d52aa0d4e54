"""The `litellm` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from puna.errors import PunaError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit; without `arguments` with the process's own.

    An error of ours is one line on stderr and status 1.
    """
    try:
        from litellm.command_line import litellm
    except ModuleNotFoundError as error:
        sys.exit(
            f"litellm: the command needs the gateway's packages (`{error.name}` is missing): "
            "pip install 'litellm[proxy]'"
        )
    try:
        litellm(arguments, prog_name="litellm")
    except PunaError as error:
        sys.exit(f"litellm: {error}")
