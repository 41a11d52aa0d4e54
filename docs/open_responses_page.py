"""docs/reference/open-responses.md: which cases of Open Responses' suite hold, and why not all."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any


def load_open_responses(root: Path) -> dict[str, Any]:
    """What docs/open-responses.toml says."""
    return tomllib.loads((root / "docs" / "open-responses.toml").read_text(encoding="utf-8"))


def open_responses_page(told: dict[str, Any]) -> str:
    """The page, from the cases of `load_open_responses`."""
    cases = told["case"]
    held = [case for case in cases if case["holds"]]
    count = (
        f"Of the {len(cases)} cases of the conformance suite of "
        "[Open Responses](https://www.openresponses.org) "
        f"(document of {told['version']}) {len(held)} hold: all that are asked over HTTP, over "
        "chat and at hosts that speak the API themselves. Tests check every answer and every event "
        "against the document's schemas."
    )
    lines = [
        "# Open Responses",
        "",
        count,
        "",
        "| case | asks | holds |",
        "|---|---|---|",
    ]
    for case in cases:
        verdict = "yes" if case["holds"] else "no"
        if case.get("but"):
            verdict = f"yes; {case['but']}"
        lines.append(f"| {case['name']} | {case['asks']} | {verdict} |")
    return "\n".join([*lines, "", told["reason"], ""])
