"""References to environment variables inside a configuration: `os.environ/NAME`.

A text that begins with the prefix, at any depth, is replaced by the variable's value. A variable
that is not set, or holds only blanks, is reported and never replaced by anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "os.environ/"

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Unset:
    """A variable that a value names and that is not set; `path` leads to the value."""

    name: str
    path: KeyPath


@dataclass(frozen=True, slots=True)
class Resolved:
    """A value without references.

    An unset reference left None in its place. `origins` maps the path of every value that came from
    a variable to the variable's name: such a value is never shown.
    """

    value: Any
    origins: Mapping[KeyPath, str]
    unset: tuple[Unset, ...]


def variable_name(value: object) -> str | None:
    """The variable that a value names, or None if it is no reference."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    return text[len(PREFIX) :].strip() if text.startswith(PREFIX) else None


def resolve(value: Any, environ: Mapping[str, str], path: KeyPath = ()) -> Resolved:
    """Replace each reference in `value` (plain mappings, lists and scalars) by what it names.

    `path` is where `value` stands in the file. Spaces around the reference and around the
    variable's value are trimmed. Nothing that was passed in is changed.
    """
    origins: dict[KeyPath, str] = {}
    unset: list[Unset] = []

    def walk(node: Any, at: KeyPath) -> Any:
        if isinstance(node, dict):
            return {key: walk(child, (*at, key)) for key, child in node.items()}
        if isinstance(node, list):
            return [walk(child, (*at, index)) for index, child in enumerate(node)]
        name = variable_name(node)
        if name is None:
            return node
        found = environ.get(name, "").strip()
        if not found:
            unset.append(Unset(name, at))
            return None
        origins[at] = name
        return found

    resolved = walk(value, path)
    return Resolved(resolved, origins, tuple(unset))
