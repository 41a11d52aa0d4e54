"""What is left out on the way from another request shape to chat: told by name, never silent."""

from __future__ import annotations

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
        """Leave out what changes no answer, or what no host of Llama could use."""
        self._names[name] = None

    def refuse(self, path: str, message: str) -> None:
        """Leave out what was asked for and cannot be had, if the caller allows it.

        Raises:
            UnsupportedParamsError: the caller does not set `drop_params`.
        """
        if not self._may_drop:
            raise UnsupportedParamsError(f"{message} Remove it, or set `drop_params`.", param=path)
        self.note(path)
