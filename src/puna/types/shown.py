"""Values as error messages show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LINE = 40
_WORDS: Mapping[type, str] = {dict: "an object", list: "a list", tuple: "a list"}


def shown(value: Any) -> str:
    """A value as an error may show it: short, and never as Python source."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) >= 10**_LINE:
        return "a huge number"  # Python refuses to write out the hugest
    if isinstance(value, str | int | float):
        text = str(value)
        return text if len(text) <= _LINE else text[:_LINE] + "…"
    return _WORDS.get(type(value), type(value).__name__)
