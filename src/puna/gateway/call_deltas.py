"""The tool calls of a stream, as long as their pieces need no mending.

A host that numbers its calls from 0, names each once with an id of its own, and then adds to the
arguments of the last one only, sends what every client can join. Which piece belongs to which call
wherever that is not so: `dialects/tool_call_identity.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from msgspec import UNSET
from msgspec.json import decode

from puna.dialects.tool_call_identity import ArgumentsSoFar
from puna.wire.plain_replies import CallPiece

_ESCAPED = re.compile(rb'(?:[ !#-\[\]-~]|\\["\\/bfnrt])*+')
"""What may stand between the quotes of a JSON text: ASCII, without `\\u`."""
_MOST_KEPT = 262_144
_EVENT_WEIGHT = 4
"""A byte of an event takes as long to read as some of a text."""
_MAY_OPEN = b"{[ \\"
"""How arguments may begin that are another call's; of escapes any may be a blank."""


class CallDeltas:
    """Takes the pieces of one choice's calls, in order.

    `tool_names` are those of the request: a name that is none of them may go on in the next piece.
    """

    def __init__(self, tool_names: AbstractSet[str]) -> None:
        self._tool_names = tool_names
        self._ids: set[str] = set()
        self._arguments = ArgumentsSoFar()
        self._unread: list[bytes] = []
        """Pieces of the last call's arguments, escaped, which nobody has looked at."""
        self._all_have_arguments = True

    @property
    def have_begun(self) -> bool:
        """Whether there is a call."""
        return bool(self._ids)

    @property
    def are_whole(self) -> bool:
        """Whether every call has arguments: the mending reader gives `{}` to one without any."""
        return self._all_have_arguments and self._has_arguments

    def take(self, piece: CallPiece) -> bool:
        """Whether a piece needs no mending; then it is noted."""
        function = piece.function
        text = "" if function.arguments is UNSET else function.arguments
        if piece.id is not UNSET:
            return self._begin(piece, piece.id, text)
        if (
            piece.index != len(self._ids) - 1
            or piece.type is not UNSET
            or function.name is not UNSET
            or function.arguments is UNSET
            or self._begins_another(text)
        ):
            return False
        self._arguments.add(text)
        return True

    def take_escaped(self, texts: Sequence[bytes]) -> bool:
        """Whether pieces of the last call's arguments need no mending; then they are noted.

        `texts` are as JSON writes them, without their quotes.
        """
        if not all(map(_ESCAPED.fullmatch, texts)):
            return False
        if any(text[:1] in _MAY_OPEN for text in texts) and (
            len(texts) > 1 or self._begins_another(_unescape(texts[0]))
        ):
            return False
        self._unread += texts
        return True

    @property
    def _has_arguments(self) -> bool:
        return self._arguments.length > 0 or any(self._unread)

    def _begin(self, piece: CallPiece, call_id: str, text: str) -> bool:
        count, name = len(self._ids), piece.function.name
        if (
            piece.index != count
            or piece.type is UNSET
            or name is UNSET
            or name not in self._tool_names
            or call_id in self._ids
        ):
            return False
        if count:
            self._all_have_arguments = self.are_whole
        self._ids.add(call_id)
        self._unread.clear()
        self._arguments = ArgumentsSoFar()
        self._arguments.add(text)
        return True

    def _begins_another(self, text: str) -> bool:
        """Whether a piece without an id is the arguments of the next call of the same function."""
        start = text.lstrip()[:1]
        if not start or start not in "{[":
            return False
        self._arguments.add(_unescape(b"".join(self._unread)))
        self._unread.clear()
        return self._arguments.is_whole


class KeptEvents:
    """The events of a stream since its first call, for a reader that takes over.

    Pieces of one call's arguments that differ in their texts only are kept as one event, which is
    read in a hundredth of the time.
    """

    def __init__(self) -> None:
        self._events: list[bytes] = []
        self._start = self._end = b""
        self._said = bytearray()
        self._weight = 0

    @property
    def is_full(self) -> bool:
        """Whether to read more of them would take too long."""
        return self._weight > _MOST_KEPT

    def add(self, event: bytes) -> None:
        """The next event."""
        self._join()
        self._events.append(event)
        self._weight += _EVENT_WEIGHT * len(event)

    def add_arguments(self, start: bytes, said: bytes, end: bytes) -> None:
        """The next event, or some, in which only arguments stand, escaped, between two others."""
        if start != self._start or end != self._end:
            self._join()
            self._start, self._end = start, end
        self._said += said
        self._weight += len(said)

    def take(self) -> bytes:
        """All of them."""
        self._join()
        return b"".join(self._events)

    def _join(self) -> None:
        if self._said:
            self._events.append(self._start + bytes(self._said) + self._end)
            self._said.clear()


def _unescape(text: bytes) -> str:
    value: str = decode(b'"%b"' % text, type=str)
    return value
