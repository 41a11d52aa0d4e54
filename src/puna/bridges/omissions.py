"""Collects the names of what a conversion leaves out, for the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from puna.errors import UnsupportedParamsError


class Omissions:
    """Collects the names of omitted fields, each once, in order.

    With `may_drop` (the caller's `drop_params`), features that cannot be had are left out; without
    it they are refused.
    """

    def __init__(self, *, may_drop: bool = False) -> None:
        self._may_drop = may_drop
        self._names: dict[str, None] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of everything left out so far, for the report."""
        return tuple(self._names)

    def note(self, name: str) -> None:
        """Record a field that is left out; its loss changes no answer, or no host could use it."""
        self._names[name] = None

    def note_unread(self, given: Mapping[str, Any], read: Iterable[str], path: str) -> None:
        """Note the fields of an object that the bridge does not read, unless they are empty.

        `path` is the object's path in the request.
        """
        for name, value in given.items():
            if name not in read and value is not None and value is not False and value != []:
                self.note(f"{path}.{name}")

    def refuse(self, path: str, message: str, *, param: str | None = None) -> None:
        """Refuse a feature that cannot be had; under `drop_params` note it as left out instead.

        `param` is the exact path of what is wrong, where it is deeper than `path`.

        Raises:
            UnsupportedParamsError: the caller does not set `drop_params`.
        """
        if not self._may_drop:
            raise UnsupportedParamsError(
                f"{message} Remove it, or set `drop_params`.", param=param or path
            )
        self.note(path)
