"""Recognizes Llama Guard models by their names at hosts; the names are in `guards.json`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class GuardFacts:
    """What is known about a Llama Guard model.

    Attributes:
        codes: the hazard codes that it uses, `S1` and on.
        reads_images: whether it judges a text together with images.
    """

    codes: tuple[str, ...]
    reads_images: bool


def find_guard(model: str) -> GuardFacts | None:
    """The facts of a Llama Guard 3 or 4 by a host's name for it; None for any other model.

    Llama Guard 1 and 2 number their hazards differently, so they are not included.
    """
    return next((facts for name, facts in _guards() if name.search(model)), None)


@cache
def _guards() -> tuple[tuple[re.Pattern[str], GuardFacts], ...]:
    import json
    from importlib.resources import files

    page = json.loads(files("puna.catalog").joinpath("guards.json").read_text(encoding="utf-8"))
    return tuple(
        (
            re.compile(rf"{entry['name']}(?![0-9])", re.IGNORECASE),
            GuardFacts(
                tuple(f"S{number}" for number in range(1, entry["hazards"] + 1)),
                entry["reads_images"],
            ),
        )
        for entry in page["models"]
    )
