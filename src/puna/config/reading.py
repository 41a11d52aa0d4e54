"""Reads typed values from one mapping of a configuration file.

Every error is one ConfigError that names file, line, key path, what was expected and what was
found. A value is shown only if it was written in the file itself and its key does not look like
that of a secret.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from puna.config.environment import KeyPath
from puna.config.schema import Notice, Severity
from puna.config.yaml_source import format_path, printable
from puna.errors import ConfigError
from puna.types.secret import Secret

_SECRET_NAME = re.compile(
    r"key|token(?!s)|secret|passw|credential|auth|header|environment_variables|_url$|api_base",
    re.IGNORECASE,
)
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_KINDS: tuple[tuple[type, str], ...] = (
    (type(None), "empty"),
    (dict, "a mapping"),
    (list, "a list"),
    (bool, "true or false"),
    (str, "a text"),
)


def looks_secret(name: str) -> bool:
    """Whether a key of this name may hold a secret."""
    return _SECRET_NAME.search(name) is not None


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known name most similar to `name`, or None when none is similar."""
    found = difflib.get_close_matches(name, tuple(known), n=1, cutoff=cutoff)
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Source:
    """Where the values of a file came from: lines, written texts, and the variables behind values.

    `problems` collects the errors given to `refuse`, so that all of a file are reported at once.
    """

    file: str | None
    lines: Mapping[KeyPath, int]
    texts: Mapping[KeyPath, str]
    origins: Mapping[KeyPath, str]
    problems: list[ConfigError] = field(default_factory=list[ConfigError])

    def line(self, path: KeyPath) -> int:
        """The line of `path`, or of the nearest parent that has one."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def error(self, path: KeyPath, message: str) -> ConfigError:
        """A ConfigError at `path`."""
        return ConfigError(message, file=self.file, line=self.line(path), key=format_path(path))

    def notice(self, path: KeyPath, message: str, severity: Severity = "warning") -> Notice:
        """A notice at `path`. Its text names the line, for those who see only the text."""
        line = self.line(path)
        return Notice(severity, f"{message} (line {line})", line=line, key=format_path(path))

    def wrong(self, path: KeyPath, expected: str, found: object) -> ConfigError:
        """Make the error for a wrong value at `path`.

        What was expected and, unless secret, what was found.
        """
        return self.error(
            path, f"`{format_path(path)}` must be {expected}, not {self._describe(path, found)}"
        )

    def refuse(self, error: ConfigError) -> None:
        """Note an error for the report at the end.

        Reading continues as if the value were absent.
        """
        self.problems.append(error)

    def wrong_type(self, path: KeyPath, expected: str, found: object) -> ConfigError:
        """Make the error for a value of a wrong type, of which only the type is shown."""
        return self.error(
            path, f"`{format_path(path)}` must be {expected}, not {_type_name(found)}"
        )

    def _describe(self, path: KeyPath, found: object) -> str:
        """What was found, in words, without showing a secret."""
        if found is None or isinstance(found, dict | list):
            return _type_name(found)
        if path in self.origins:
            return f"what the variable `{printable(self.origins[path])}` holds"
        if any(isinstance(part, str) and looks_secret(part) for part in path):
            return f"{_type_name(found)} (not shown)"
        if isinstance(found, bool):
            return f"the truth value `{str(found).lower()}`"
        kind = "the number" if isinstance(found, int | float) else "the text"
        return f"{kind} `{printable(str(found))}`"


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping inside a file. Each method reads one key; an absent or null key gives None.

    A value of the wrong type is added to `source.problems`, and counts as absent.
    """

    source: Source
    path: KeyPath
    values: Mapping[str, Any]

    def at(self, key: str) -> KeyPath:
        """The path of a key of this section."""
        return (*self.path, key)

    def section(self, key: str) -> Section:
        """The mapping under `key`; empty when it is absent or null."""
        return Section(self.source, self.at(key), self._mapping(self.at(key), self.values.get(key)))

    def text(self, key: str) -> str | None:
        """Read a text.

        A number is taken as it was written, as versions and keys are often unquoted.
        """
        return self.text_at(self.at(key), self.values.get(key))

    def text_at(self, path: KeyPath, found: object) -> str | None:
        """Like `text`, for a value that is not directly in this section."""
        if found is None or isinstance(found, str):
            return found
        if isinstance(found, int | float) and not isinstance(found, bool):
            return self.source.texts.get(path, str(found))
        self.source.refuse(self.source.wrong_type(path, "a text", found))
        return None

    def secret(self, key: str) -> Secret | None:
        """Read a secret. White space around it is trimmed, and a blank one is None."""
        found = (self.text(key) or "").strip()
        return Secret(found) if found else None

    def flag(self, key: str) -> bool | None:
        """Read a boolean; the texts `true`, `yes`, `on`, `1` and their opposites count too."""
        found = self.values.get(key)
        if found is None or isinstance(found, bool):
            return found
        word = str(found).strip().lower() if isinstance(found, str | int) else ""
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        self.source.refuse(self.source.wrong(self.at(key), "true or false", found))
        return None

    def whole(self, key: str, *, least: int = 0) -> int | None:
        """Read an int of at least `least`; a text of digits counts too."""
        found = self.values.get(key)
        if found is None:
            return None
        number = _parse_number(found)
        if number is None or number != int(number) or number < least:
            expected = f"a whole number of {least} or more"
            self.source.refuse(self.source.wrong(self.at(key), expected, found))
            return None
        return int(number)

    def number(self, key: str, *, is_zero_fine: bool = False) -> float | None:
        """Read a finite number above zero (or zero, if `is_zero_fine`).

        A numeric text counts too.
        """
        found = self.values.get(key)
        if found is None:
            return None
        number = _parse_number(found)
        if number is None or number < 0 or (number == 0 and not is_zero_fine):
            expected = "a number of 0 or more" if is_zero_fine else "a number above 0"
            self.source.refuse(self.source.wrong(self.at(key), expected, found))
            return None
        return float(number)

    def price(self, key: str) -> str | None:
        """Read a decimal of 0 or more, as the text that was written."""
        found = self.values.get(key)
        if found is None:
            return None
        path = self.at(key)
        if isinstance(found, str):
            written = found.strip()
        else:
            written = self.source.texts.get(path, str(found)).replace("_", "")
        try:
            price = Decimal(written)
        except InvalidOperation:
            price = Decimal(-1)
        if isinstance(found, bool) or not price.is_finite() or price < 0:
            self.source.refuse(self.source.wrong(path, "a price: a decimal of 0 or more", found))
            return None
        return written

    def names(self, key: str) -> tuple[str, ...]:
        """Read a list of texts; a single text is a list of one."""
        found = self.values.get(key)
        return self.names_at(self.at(key), found) if found is not None else ()

    def names_at(self, path: KeyPath, found: object) -> tuple[str, ...]:
        """Like `names`, for a value that is not directly in this section."""
        if isinstance(found, str):
            return (found,)
        if not isinstance(found, list):
            self.source.refuse(self.source.wrong_type(path, "a list of texts", found))
            return ()
        names: list[str] = []
        for index, item in enumerate(found):
            name = self.text_at((*path, index), item)
            if name:
                names.append(name)
        return tuple(names)

    def texts(self, key: str) -> dict[str, str]:
        """Read a mapping of texts; null entries are left out."""
        section = self.section(key)
        found = {name: section.text(name) for name in section.values}
        return {name: text for name, text in found.items() if text is not None}

    def _mapping(self, path: KeyPath, found: object) -> dict[str, Any]:
        """A value as a mapping; empty when it is absent or, which is noted, of another type."""
        if found is None:
            return {}
        if not isinstance(found, dict):
            self.source.refuse(self.source.wrong_type(path, "a mapping", found))
            return {}
        return found


def _parse_number(found: object) -> float | None:
    """A finite number from a number or a text; None for anything else."""
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        return None
    try:
        number = float(found)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _type_name(found: object) -> str:
    """The YAML type of a value, in words for errors."""
    for kind, name in _KINDS:
        if isinstance(found, kind):
            return name
    return "a number"
