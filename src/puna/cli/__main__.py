"""`python -m puna.cli`: the `puna` command without its script."""

from __future__ import annotations

from puna.cli.main import main

main()
