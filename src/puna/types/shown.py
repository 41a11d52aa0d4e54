"""Values as error messages show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LINE = 80
_WORDS: Mapping[type, str] = {dict: "an object", list: "a list", tuple: "a list"}


def shown(value: Any) -> str:
    """A value as an error may show it: one short line, and never as Python source."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) >= 10**_LINE:
        return "a huge number"  # Python refuses to write out the hugest
    if isinstance(value, str | int | float):
        text = str(value)
        line = "".join(
            char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:_LINE]
        )
        return line if len(text) <= _LINE else line + "…"
    return _WORDS.get(type(value), type(value).__name__)
