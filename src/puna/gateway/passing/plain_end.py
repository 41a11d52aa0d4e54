"""Reads the end of a plain stream: the finish reason, the usage, and `[DONE]`.

`PlainEnd` gets all bytes behind the last event with text or calls. It waits for the finish reason,
then for the usage (which may come with the reason), then for `[DONE]`; then it gives an `Ending`.
Nothing of the end is sent before. Any other event, or another order, makes it odd: then the
dialect's reader reads all bytes that were held, as if `PlainEnd` had never had them.
"""

from __future__ import annotations

from dataclasses import dataclass

from puna.gateway.answers.replies import DONE
from puna.gateway.passing.plain_stream import EVENT_END, EVENT_START
from puna.wire.octets import CR, LF
from puna.wire.plain_chunks import Chunk, finish_event, read_finish, read_usage_chunk, usage_event
from puna.wire.plain_replies import TOOL_CALLS, PlainUsage

_DONE = DONE.removesuffix(EVENT_END)
_MOST_HELD = 65_536
"""The most bytes that are held while an event is incomplete."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a stream of one choice; `events` are the last events for the client."""

    events: bytes
    finish_reason: str
    usage: PlainUsage


class PlainEnd:
    """Holds back the last events of a plain stream until all of them have come.

    Attributes:
        held: all bytes so far, for a reader that has to take over.
        is_odd: whether a reader has to, because a plain stream does not end like this.
    """

    def __init__(
        self,
        head: Chunk,
        public_name: str,
        *,
        wants_usage: bool,
        has_calls: bool = False,
    ) -> None:
        """`head` is the first chunk; `wants_usage` says whether the client gets a usage chunk."""
        self.held = b""
        self.is_odd = False
        self._head = head
        self._public_name = public_name
        self._wants_usage = wants_usage
        self._has_calls = has_calls
        self._position = 0
        self._events = b""
        self._finish_reason: str | None = None
        self._usage: PlainUsage | None = None
        self._usage_data = b""

    @property
    def lacks_usage(self) -> bool:
        """Whether the usage is still to come."""
        return self._usage is None

    def feed(self, data: bytes) -> Ending | None:
        """Read more bytes. Returns the ending once it is complete, else None: look at `is_odd`."""
        self.held += data
        while not self.is_odd:
            end = self.held.find(EVENT_END, self._position)
            if end < 0:
                self.is_odd = len(self.held) > _MOST_HELD or CR in self.held[self._position :]
                return None
            event = self.held[self._position : end]
            self._position = end + len(EVENT_END)
            if event == _DONE:
                return self._done()
            self._read_event(event)
        return None

    def _read_event(self, event: bytes) -> None:
        """Read one event: the one with the finish reason, then the one with the usage."""
        data = event[len(EVENT_START) :]
        if not event.startswith(EVENT_START) or LF in event or CR in event:
            self.is_odd = True
        elif self._finish_reason is None:
            self._read_finish(data)
        else:
            chunk = read_usage_chunk(data)
            if chunk is None:
                self.is_odd = True
            else:
                self._usage, self._usage_data = chunk.usage, data

    def _read_finish(self, data: bytes) -> None:
        """Read the event with the finish reason; sets `is_odd` where it is something else."""
        finish = read_finish(data)
        if finish is None:
            self.is_odd = True
            return
        self._finish_reason = finish.choices[0].finish_reason
        if self._has_calls and self._finish_reason != TOOL_CALLS:  # as some hosts end calls
            self.is_odd = True
            return
        self._events = finish_event(data, self._head, self._public_name)
        if finish.usage:
            self._usage, self._usage_data = finish.usage, data

    def _done(self) -> Ending | None:
        """The ending at `[DONE]`; None, and odd, where the reason or the usage is missing."""
        if self._usage is None or self._finish_reason is None:
            self.is_odd = True
            return None
        events = self._events
        if self._wants_usage:
            events += usage_event(self._usage_data, self._head, self._public_name)
        return Ending(events + DONE, self._finish_reason, self._usage)
