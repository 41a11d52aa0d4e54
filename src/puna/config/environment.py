"""Resolves references to environment variables in a configuration: `os.environ/NAME`.

A text that begins with the prefix, at any depth, is replaced by the variable's value. A variable
that is not set, or holds only blanks, is reported and never replaced by anything else. Spellings of
other programs, such as `${NAME}`, are not replaced; `unsupported_reference` finds them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "os.environ/"

_NAME = r"[A-Za-z_]\w*"
_CAPITALS = r"[A-Z_][A-Z0-9_]*"
_OF_CODE = r"(?i:os|process)\.(?i:environ(?:ment)?|getenv|env)"
_OTHER_SPELLING = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\$\{{+\s*(?:env[:.])?({_NAME})[^}}]*\}}+",  # ${NAME}, ${NAME:-other}
        rf"\{{\{{\s*(?:env\.|\.Env\.|\$)?({_NAME})\s*\}}\}}",  # {{ NAME }}, {{ .Env.NAME }}
        rf"\{{env[:.]({_NAME})\}}",  # {env.NAME}
        rf"\$(?:env:)?({_CAPITALS})",  # $NAME, $env:NAME
        rf"%({_CAPITALS})%",
        # os.environ["NAME"], os.getenv("NAME"), process.env.NAME, OS.ENVIRON/NAME, env:NAME
        rf"{_OF_CODE}(?:\.get)?[^\w\s]{{1,2}}({_NAME})[^\w\s]{{0,2}}",
        rf"(?:environ|getenv|env)[/:\[(][\"']?({_CAPITALS})[\"')\]]{{0,2}}",
    )
)
_INSIDE = (*_OTHER_SPELLING[:3], re.compile(rf"os\.environ/({_NAME})"))
"""Those that may stand inside a longer text, such as an address."""

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Unset:
    """A reference to a variable that is not set; `path` leads to it in the file."""

    name: str
    path: KeyPath


@dataclass(frozen=True, slots=True)
class Resolved:
    """A configuration value without references.

    An unset reference became None. `origins` maps the path of every value that came from a variable
    to the variable's name; such a value is never shown.
    """

    value: Any
    origins: Mapping[KeyPath, str]
    unset: tuple[Unset, ...]


def variable_name(value: object) -> str | None:
    """The variable that a value refers to, or None if it is no reference."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    return text[len(PREFIX) :].strip() if text.startswith(PREFIX) else None


def unsupported_reference(text: str, *, is_whole: bool = True) -> str | None:
    """The variable that a text seems to refer to in another program's spelling, such as `${NAME}`.

    None for no such text. With `is_whole` false the reference may be a part of it, as in
    `http://${HOST}/v1`.
    """
    if variable_name(text) is not None:
        return None
    text = text.strip()
    found = [pattern.fullmatch(text) for pattern in _OTHER_SPELLING]
    if not is_whole:
        found += [pattern.search(text) for pattern in _INSIDE]
    return next((match.group(1) for match in found if match is not None), None)


def texts_in(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Every text inside a plain value, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from texts_in(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from texts_in(child, (*path, index))


def resolve(value: Any, environ: Mapping[str, str], path: KeyPath = ()) -> Resolved:
    """Replace each reference in `value` by the variable's value.

    `value` consists of plain mappings, lists and scalars; `path` is where it stands in the file.
    White space around the reference and around the variable's value is trimmed. Nothing that was
    passed in is changed.
    """
    origins: dict[KeyPath, str] = {}
    unset: list[Unset] = []

    def walk(node: Any, at: KeyPath) -> Any:
        """A copy of a value with its references replaced; notes which were unset."""
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
