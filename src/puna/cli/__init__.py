"""The `puna` command."""

from __future__ import annotations

from puna.cli.main import main

__all__ = ["main"]
