"""Checks that the tool calls of a stream can be passed on piece by piece, as the host sends them.

States of `CallDeltas`: *no call has begun*, or *call k is open*, where calls count from 0 and k is
the last one. Events are the pieces of calls, in the order of the stream:

- A piece with an id begins the next call: its index is k + 1, its id is new, and its name is that
  of a tool of the request.
- A piece without an id adds text to the arguments of call k.
- Any other piece is refused, and changes nothing. The stream then goes to the dialect's reader,
  whose `dialects/tool_call_identity.py` finds out which piece belongs to which call.

What always holds: the accepted calls have the indices 0 to k, their ids differ, and each accepted
piece belongs to exactly one call, so that every client can join them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from msgspec import UNSET
from msgspec.json import decode

from puna.dialects.tool_call_identity import PartialArguments
from puna.wire.plain_chunks import CallPiece

_ESCAPED = re.compile(rb'(?:[ !#-\[\]-~]|\\["\\/bfnrt])*+')
"""Matches the inside of a JSON string that is ASCII and has no `\\u` escape."""
_MOST_KEPT = 262_144
"""The most that is kept, as `_EVENT_WEIGHT` counts: more would take a reader too long."""
_EVENT_WEIGHT = 4
"""A byte of a whole event takes as long to parse as so many bytes of arguments."""
_MAY_OPEN = b"{[ \\"
"""First bytes with which the arguments of a further call may begin; an escape may be a blank."""


class CallDeltas:
    """Checks the pieces of one choice's tool calls, in order, to be passed on unchanged.

    `tool_names` are the names of the request's tools. A piece with any other name is refused,
    because the next piece may go on with the name.
    """

    def __init__(self, tool_names: AbstractSet[str]) -> None:
        self._tool_names = tool_names
        self._ids: set[str] = set()
        self._arguments = PartialArguments()
        self._unread: list[bytes] = []
        """Pieces of the last call's arguments, escaped, that `_arguments` does not have yet."""
        self._all_have_arguments = True

    @property
    def are_whole(self) -> bool:
        """Whether every call has arguments: the dialect's reader gives `{}` to one without any."""
        return self._all_have_arguments and self._has_arguments

    def accept(self, piece: CallPiece) -> bool:
        """Accept a piece, or return False where the dialect's reader must read it."""
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

    def accept_escaped(self, texts: Sequence[bytes]) -> bool:
        """Accept pieces of the last call's arguments, or return False where `accept` must decide.

        `texts` are the insides of JSON strings: still escaped, without their quotes.
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
        """Whether the last call has arguments so far."""
        return self._arguments.length > 0 or any(self._unread)

    def _begin(self, piece: CallPiece, call_id: str, text: str) -> bool:
        """Accept a piece that begins the next call, or return False."""
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
        self._arguments = PartialArguments()
        self._arguments.add(text)
        return True

    def _begins_another(self, text: str) -> bool:
        """Whether a piece without an id begins the arguments of a further call."""
        start = text.lstrip()[:1]
        if not start or start not in "{[":
            return False
        self._arguments.add(_unescape(b"".join(self._unread)))
        self._unread.clear()
        return self._arguments.is_whole


class KeptEvents:
    """The events of a stream since its first call, in case the dialect's reader has to read them.

    Successive events that differ only in the text of the arguments are joined to one event with all
    of the text, which a reader parses in a hundredth of the time.
    """

    def __init__(self) -> None:
        self._events: list[bytes] = []
        self._start = self._end = b""
        self._arguments = bytearray()
        self._weight = 0

    @property
    def is_full(self) -> bool:
        """Whether more events would take a reader too long."""
        return self._weight > _MOST_KEPT

    def add(self, event: bytes) -> None:
        """Keep an event."""
        self._join()
        self._events.append(event)
        self._weight += _EVENT_WEIGHT * len(event)

    def add_arguments(self, start: bytes, text: bytes, end: bytes) -> None:
        """Keep events that differ only in their arguments.

        Each is `start`, a part of `text`, and `end`.
        """
        if start != self._start or end != self._end:
            self._join()
            self._start, self._end = start, end
        self._arguments += text
        self._weight += len(text)

    def to_bytes(self) -> bytes:
        """The kept events, as bytes of a stream."""
        self._join()
        return b"".join(self._events)

    def _join(self) -> None:
        """Close the joined event, so that the next one begins anew."""
        if self._arguments:
            self._events.append(self._start + bytes(self._arguments) + self._end)
            self._arguments.clear()


def _unescape(text: bytes) -> str:
    """Decode the inside of a JSON string."""
    value: str = decode(b'"%b"' % text, type=str)
    return value
