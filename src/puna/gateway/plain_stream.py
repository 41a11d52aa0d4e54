"""A stream's events passed on as they came, as long as each only adds text to a choice."""

from __future__ import annotations

from typing import Final

from puna.wire.envelope import PlainChunk, Renaming, read_chunk

EVENT_START: Final = b"data: "
EVENT_END: Final = b"\n\n"

_LONGEST_EVENT: Final = 16 * 1024
"""An unfinished event is searched again with each piece; a longer one is for the linear reader."""


class PlainStream:
    """Passes on the events that only add text, as long as all are such."""

    def __init__(self, renaming: Renaming) -> None:
        self._renaming = renaming
        self._head: PlainChunk | None = None
        self._firsts: dict[int, bytes] = {}
        self._texts: list[str] = []
        self.rest = b""

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
        events = data[:end].split(EVENT_END)
        self.rest = data[end + len(EVENT_END) :]
        ready: list[bytes] = []
        for position, event in enumerate(events):
            renamed = self._read(event)
            if renamed is None:
                rest = EVENT_END.join((*events[position:], self.rest))
                self.rest = b""
                return _joined(ready), rest
            ready.append(renamed)
        return _joined(ready), None

    def take_texts(self) -> list[str]:
        """What the events said since the last call."""
        texts, self._texts = self._texts, []
        return texts

    def first_events(self) -> bytes:
        """The first event of each choice, for a reader that takes over."""
        return b"".join(event + EVENT_END for event in self._firsts.values())

    def _read(self, event: bytes) -> bytes | None:
        """The event under the public name, or None when it is not plain."""
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
        self._firsts.setdefault(choice.index, event)
        self._texts.append(choice.delta.content)
        return renamed

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
