"""Which models are a Llama Guard, by their names at hosts: `guards.json` beside this file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class GuardFacts:
    """What is known of a Llama Guard.

    Attributes:
        codes: the hazards that it tells apart, `S1` and on.
        reads_images: whether it judges a text together with images.
    """

    codes: tuple[str, ...]
    reads_images: bool


def find_guard(model: str) -> GuardFacts | None:
    """The facts of a Llama Guard 3 or 4, by a host's name of it; None for any other model.

    Llama Guard 1 and 2 number their hazards otherwise, so they are none of these.
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
