"""What is left out on the way from one request shape to another: told by name, never silent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from puna.errors import UnsupportedParamsError


class Omissions:
    """Collects names, each once, in the order in which they were met."""

    def __init__(self, *, may_drop: bool = False) -> None:
        self._may_drop = may_drop
        self._names: dict[str, None] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """What was left out."""
        return tuple(self._names)

    def note(self, name: str) -> None:
        """Leave out what changes no answer, or what nobody on the other side could use."""
        self._names[name] = None

    def note_unread(self, given: Mapping[str, Any], read: Iterable[str], path: str) -> None:
        """Leave out the fields of an object that nobody has read, if they say anything."""
        for name, value in given.items():
            if name not in read and value is not None and value is not False and value != []:
                self.note(f"{path}.{name}")

    def refuse(self, path: str, message: str, *, param: str | None = None) -> None:
        """Leave out what was asked for and cannot be had, if the caller allows it.

        `param` is what of it is wrong, where it is not the whole.

        Raises:
            UnsupportedParamsError: the caller does not set `drop_params`.
        """
        if not self._may_drop:
            raise UnsupportedParamsError(
                f"{message} Remove it, or set `drop_params`.", param=param or path
            )
        self.note(path)
