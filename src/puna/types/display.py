"""Values as text for error messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_LINE = 80
_OTHER_KIND = re.compile(r"\s*(?:[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|true|false|null)\s*")
_KINDS: Mapping[type, str] = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a string",
    dict: "an object",
    list: "a list",
    tuple: "a list",
}


def kind_of(value: Any) -> str:
    """The JSON type of a value in words for errors, such as `a string`.

    The class's name where JSON has no such type.
    """
    kind = type(value)
    return _KINDS.get(kind, f"`{kind.__name__}`")


def display(value: Any) -> str:
    """A value as short text for an error message: one line, at most 80 characters.

    A text that reads like a number or like true, false or null is quoted, since errors such as
    "`stream` must be true or false, not `true`" would name no fault.
    """
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
        if len(text) > _LINE:
            return line + "…"
        return f'"{line}"' if isinstance(value, str) and _OTHER_KIND.fullmatch(line) else line
    return _KINDS.get(type(value), type(value).__name__)
