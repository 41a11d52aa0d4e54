"""A stream's events passed on as they came, as long as each only adds text to a choice."""

from __future__ import annotations

import re
from typing import Final

from puna.wire.envelope import PlainChunk, read_chunk
from puna.wire.octets import BACKSLASH, CR, LF
from puna.wire.splicing import Renaming

EVENT_START: Final = b"data: "
EVENT_END: Final = b"\n\n"

_LONGEST_EVENT: Final = 16 * 1024
"""An unfinished event is searched again with each piece; a longer one is for the linear reader."""

_MOST_HELD: Final = 16_384
"""Bytes of text that wait to be counted."""

_CONTENT = re.compile(rb'"content"\s*:\s*"')
_PLAIN = bytes(code for code in range(0x20, 0x7F) if code not in b'"\\')
"""What stands in a JSON text as it is, without an escape."""


class PlainStream:
    """Passes on the events that only add text, as long as all are such.

    The events of a choice differ in their text only. So once one was read, the next is known by the
    bytes around its text, and needs no reading.
    """

    def __init__(self, renaming: Renaming) -> None:
        self._renaming = renaming
        self.head: PlainChunk | None = None
        self._firsts: dict[int, bytes] = {}
        self._texts: list[bytes] = []
        self._held = 0
        # What stands around a text at the host, and to the client.
        self._start = self._end = b""
        self._our_start = self._our_end = b""
        # What stands between two texts.
        self._between = self._our_between = b""
        self.rest = b""

    @property
    def has_one_choice(self) -> bool:
        """Whether all events were of the first choice."""
        return self._firsts.keys() == {0}

    @property
    def has_text(self) -> bool:
        """Whether the events said anything since the last call of `take_text`."""
        return self._held > 0

    @property
    def is_full(self) -> bool:
        """Whether so much was said that it should be counted: see `take_text`."""
        return self._held > _MOST_HELD

    def take_known(self, data: bytes) -> bytes:
        """What to send for a read of known events only, as nearly every one is; else nothing."""
        return b"" if self.rest else self._known(data)

    def take(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Events to send as they are; and, when one is not plain, all bytes from it on."""
        data = self.rest + data if self.rest else data
        stop = data.rfind(EVENT_END) + len(EVENT_END)
        if stop < len(EVENT_END):
            if len(data) > _LONGEST_EVENT or CR in data:
                self.rest = b""
                return b"", data
            self.rest = data
            return b"", None
        self.rest = data[stop:]
        ready: list[bytes] = []
        at, may_run = 0, True
        while at < stop:
            if may_run and self._start:
                run = data[at : data.rfind(self._end, at, stop) + len(self._end)]
                known = self._known(run)
                if known:
                    ready.append(known)
                    at += len(run)
                    continue
                may_run = False  # once a read: each trial looks at all of it
            end = data.index(EVENT_END, at) + len(EVENT_END)
            passed = self._known(data[at:end]) or self._read(data[at:end])
            if not passed:
                self.rest = b""
                return b"".join(ready), data[at:]
            ready.append(passed)
            at = end
        return b"".join(ready), None

    def take_text(self) -> str:
        """What the events said since the last call."""
        texts, self._texts, self._held = self._texts, [], 0
        return b"".join(texts).decode()

    def first_events(self) -> bytes:
        """The first event of each choice, for a reader that takes over."""
        return b"".join(self._firsts.values())

    def _known(self, data: bytes) -> bytes:
        """What to send for events that differ from one that was read in their texts only."""
        start, end = self._start, self._end
        if not start or not (data.startswith(start) and data.endswith(end)):
            return b""
        said = data[len(start) : -len(end)]
        if self._note(said):
            return self._our_start + said + self._our_end
        texts = said.split(self._between)
        if len(texts) > 1 and all(texts) and self._note(b"".join(texts)):
            return self._our_start + self._our_between.join(texts) + self._our_end
        return b""

    def _note(self, text: bytes) -> bool:
        """Whether a text needs no reading; then it is noted. One that is full goes the long way."""
        if not text or text.translate(None, _PLAIN) or self._held > _MOST_HELD:
            return False
        self._texts.append(text)
        self._held += len(text)
        return True

    def _read(self, data: bytes) -> bytes:
        """The event under the public name; nothing when it is not plain."""
        event = data.removesuffix(EVENT_END)
        if not event.startswith(EVENT_START) or LF in event or CR in event:
            return b""
        chunk = read_chunk(event[len(EVENT_START) :])
        if chunk is None or not self._fits(chunk):
            return b""
        renamed = self._renaming.apply(data, chunk)
        if renamed is None:
            return b""
        choice = chunk.choices[0]
        self.head = self.head or chunk
        text = choice.delta.content.encode()
        if choice.index in self._firsts:
            self._learn(data, renamed, text)
        else:
            self._firsts[choice.index] = data
        self._texts.append(text)
        self._held += len(text)
        return renamed

    def _learn(self, event: bytes, renamed: bytes, text: bytes) -> None:
        """Note what stands around this text, if it is clear where that is."""
        theirs, ours = _CONTENT.search(event), _CONTENT.search(renamed)
        # An escape could spell a second `content`.
        if (
            theirs is None
            or ours is None
            or BACKSLASH in event
            or len(_CONTENT.findall(event)) != 1
        ):
            return
        if text.translate(None, _PLAIN) or not event.startswith(text + b'"', theirs.end()):
            return
        self._start, self._end = event[: theirs.end()], event[theirs.end() + len(text) :]
        self._our_start = renamed[: ours.end()]
        self._our_end = renamed[ours.end() + len(text) :]
        self._between = self._end + self._start
        self._our_between = self._our_end + self._our_start

    def _fits(self, chunk: PlainChunk) -> bool:
        """Whether the chunk goes on as the stream began: one id, and one role for each choice."""
        choice, head = chunk.choices[0], self.head
        has_role = isinstance(choice.delta.role, str)
        if head is not None and (chunk.id, chunk.created) != (head.id, head.created):
            return False
        if choice.index in self._firsts:
            return not has_role and bool(choice.delta.content)
        return has_role
