"""`puna models`."""

from __future__ import annotations

import json

from tests.support.asgi import MODEL
from tests.support.commands import run


def test_models_lists_the_catalogue() -> None:
    shown = run("models").output
    assert MODEL in shown
    assert "128000" in shown
    rows = [json.loads(line) for line in run("models", "--json").output.splitlines()]
    assert any(row["model"] == MODEL and row["max_output_tokens"] == 4028 for row in rows)
