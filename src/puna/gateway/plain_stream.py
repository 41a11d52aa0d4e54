"""A stream's events passed on as they came, as long as each only adds text to a choice."""

from __future__ import annotations

import re
from typing import Final

from puna.wire.envelope import PlainChunk, Renaming, read_chunk

EVENT_START: Final = b"data: "
EVENT_END: Final = b"\n\n"

_LONGEST_EVENT: Final = 16 * 1024
"""An unfinished event is searched again with each piece; a longer one is for the linear reader."""

_MOST_HELD: Final = 16_384
"""Bytes of text that wait to be counted."""

_CONTENT = re.compile(rb'"content"\s*:\s*"')
_PLAIN_TEXT = re.compile(rb"[ !#-\[\]-~]+")
"""What stands in a JSON text as it is, without an escape."""


class PlainStream:
    """Passes on the events that only add text, as long as all are such.

    The events of a choice differ in their text only. So once one was read, the next is known by the
    bytes around its text, and needs no reading.
    """

    def __init__(self, renaming: Renaming) -> None:
        self._renaming = renaming
        self._head: PlainChunk | None = None
        self._firsts: dict[int, bytes] = {}
        self._texts: list[bytes] = []
        self._held = 0
        # What stands around a text at the host, and to the client.
        self._start = self._end = b""
        self._our_start = self._our_end = b""
        self.rest = b""

    @property
    def is_full(self) -> bool:
        """Whether so much was said that it should be counted: see `take_text`."""
        return self._held > _MOST_HELD

    def take(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Events to send as they are; and, when one is not plain, all bytes from it on."""
        data = self.rest + data if self.rest else data
        end = data.rfind(EVENT_END)
        if end < 0:
            if len(data) > _LONGEST_EVENT or b"\r" in data:
                self.rest = b""
                return b"", data
            self.rest = data
            return b"", None
        self.rest = data[end + len(EVENT_END) :]
        events = data[:end].split(EVENT_END)
        if len(events) == 1:
            passed = self._pass_on(events[0])
            if passed is not None:
                return passed + EVENT_END, None
        ready: list[bytes] = []
        for event in events:
            passed = self._pass_on(event)
            if passed is None:
                rest = EVENT_END.join((*events[len(ready) :], self.rest))
                self.rest = b""
                return _joined(ready), rest
            ready.append(passed)
        return _joined(ready), None

    def take_text(self) -> str:
        """What the events said since the last call."""
        texts, self._texts, self._held = self._texts, [], 0
        return b"".join(texts).decode()

    def first_events(self) -> bytes:
        """The first event of each choice, for a reader that takes over."""
        return b"".join(event + EVENT_END for event in self._firsts.values())

    def _pass_on(self, event: bytes) -> bytes | None:
        """The event under the public name, or None when it is not plain."""
        start, end = self._start, self._end
        if start and event.startswith(start) and event.endswith(end):
            text = event[len(start) : len(event) - len(end)]
            if _PLAIN_TEXT.fullmatch(text):
                self._texts.append(text)
                self._held += len(text)
                return b"%b%b%b" % (self._our_start, text, self._our_end)
        return self._read(event)

    def _read(self, event: bytes) -> bytes | None:
        if not event.startswith(EVENT_START) or b"\n" in event or b"\r" in event:
            return None
        chunk = read_chunk(event[len(EVENT_START) :])
        if chunk is None or not self._fits(chunk):
            return None
        renamed = self._renaming.apply(event, chunk)
        if renamed is None:
            return None
        choice = chunk.choices[0]
        self._head = self._head or chunk
        text = choice.delta.content.encode()
        if choice.index in self._firsts:
            self._learn(event, renamed, text)
        else:
            self._firsts[choice.index] = event
        self._texts.append(text)
        self._held += len(text)
        return renamed

    def _learn(self, event: bytes, renamed: bytes, text: bytes) -> None:
        """Note what stands around this text, if it is clear where that is."""
        theirs, ours = _CONTENT.findall(event), _CONTENT.search(renamed)
        found = _CONTENT.search(event)
        if found is None or ours is None or len(theirs) != 1 or not _PLAIN_TEXT.fullmatch(text):
            return
        if event.startswith(text + b'"', found.end()):
            self._start, self._end = event[: found.end()], event[found.end() + len(text) :]
            self._our_start, self._our_end = (
                renamed[: ours.end()],
                renamed[ours.end() + len(text) :],
            )

    def _fits(self, chunk: PlainChunk) -> bool:
        """Whether the chunk goes on as the stream began: one id, and one role for each choice."""
        choice, head = chunk.choices[0], self._head
        has_role = isinstance(choice.delta.role, str)
        if head is not None and (chunk.id, chunk.created) != (head.id, head.created):
            return False
        if choice.index in self._firsts:
            return not has_role and bool(choice.delta.content)
        return has_role


def _joined(events: list[bytes]) -> bytes:
    return EVENT_END.join((*events, b"")) if events else b""
