"""Passes on a stream's events as bytes, as long as each only adds text or calls to a choice.

States of a `PlainStream`:

- *text*: each event adds text to a choice, and is sent at once.
- *waiting*: a text may become a tool call. Its event and all after it are held back (`_waiting`)
  until `CallScreen` decides: back to *text*, or *over*.
- *calls*: a tool call has begun. Its pieces are checked by `CallDeltas`, sent at once, and kept
  (`KeptEvents`).
- *over*: an event was not plain. `feed` has returned all bytes that were not sent, from which
  `PlainEnd` or the dialect's reader goes on; `feed` is not called again.

Input is the host's body, cut anywhere. What always holds: each byte was sent, is held back (`rest`:
an event without its end; `_waiting`), or was returned, in the order of the stream.
`passed_events` and the results of `pop_text` together are all that was sent, for a reader that
takes over.

Events of a choice differ only in their text. Once one event was parsed, a later one with the same
bytes around its text (`passing/event_frames.py`) is sent without parsing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from msgspec import UNSET

from puna.engine.rescue import CallScreen
from puna.gateway.passing.call_deltas import CallDeltas, KeptEvents
from puna.gateway.passing.event_frames import PLAIN, Frames, frames_of_arguments, frames_of_text
from puna.rescue.stream import CALL_STARTS
from puna.wire.octets import CR, LF
from puna.wire.plain_chunks import (
    CallChunk,
    Chunk,
    PlainChunk,
    PlainChunkChoice,
    read_call_chunk,
    read_chunk,
    with_arguments,
)
from puna.wire.splicing import Renaming

EVENT_START: Final = b"data: "
EVENT_END: Final = b"\n\n"

_LONGEST_EVENT: Final = 16 * 1024
"""An incomplete event is searched again with each read; a longer one goes to the reader."""

_MOST_TEXT: Final = 16_384
"""Bytes of text after which the caller should count it: see `PlainStream.is_full`."""

_PROSE = bytes(code for code in PLAIN if chr(code) not in CALL_STARTS)
"""The bytes of `PLAIN` without the signs with which a call may begin."""
_SIGN_OCTETS = tuple(ord(sign) for sign in CALL_STARTS)
_MOST_WAITING: Final = 256
"""The most events that are held back until it is clear whether their texts are a call."""

_FIRST_WORD = re.compile(r"\s*([A-Za-z0-9_.-]*)")


@dataclass(frozen=True, slots=True)
class StreamTools:
    """What a stream needs to know of its request's tools.

    Attributes:
        names: the functions that may be called; empty where the request has no tools.
        make_screen: makes the screen that looks for calls in texts; None where there is none.
        looks_for_thoughts: whether a text may begin with thoughts between tags.
    """

    names: AbstractSet[str] = frozenset()
    make_screen: Callable[[], CallScreen] | None = None
    looks_for_thoughts: bool = False


NO_TOOLS: Final = StreamTools()
"""For a request without tools."""


class PlainStream:
    """Passes on the events of one stream as bytes, as long as they are plain.

    Attributes:
        head: the first chunk; None before it has come.
        rest: the bytes of an event whose end has not come yet.
    """

    def __init__(self, renaming: Renaming, tools: StreamTools = NO_TOOLS) -> None:
        """`renaming` puts in the public name of the model."""
        self._renaming = renaming
        self._tools = tools
        self.head: Chunk | None = None
        self._firsts: dict[int, bytes] = {}
        self._texts: list[bytes] = []
        self._text_bytes = 0
        # The bytes around the text of the last parsed event: the host's, and those for the client.
        self._start = self._end = b""
        self._our_start = self._our_end = b""
        # The bytes between the texts of two such events.
        self._between = self._our_between = b""
        self.rest = b""
        # The search for calls, and for thoughts, in texts.
        self._looks_for_calls = tools.make_screen is not None
        self._prose = _PROSE if self._looks_for_calls else PLAIN
        self._may_think = tools.looks_for_thoughts
        self._has_prose = not (self._looks_for_calls or self._may_think)
        """Whether it is certain that the text does not begin with the name of a call."""
        self._screen: CallScreen | None = None
        self._screened = 0
        """How many of `_texts` the screen has seen."""
        self._waiting: list[tuple[bytes, bytes, bytes]] = []
        """Events held back: the host's bytes, the bytes for the client, the text."""
        # Calls.
        self._calls: CallDeltas | None = None
        self._kept = KeptEvents()

    @property
    def has_one_choice(self) -> bool:
        """Whether all events so far were of choice 0, and there were some."""
        return self._firsts.keys() == {0}

    @property
    def has_text(self) -> bool:
        """Whether text has come since the last `pop_text`, or a call has begun."""
        return self._text_bytes > 0 or self._calls is not None

    @property
    def is_full(self) -> bool:
        """Whether so much text has come that the caller should count it: see `pop_text`."""
        return self._text_bytes > _MOST_TEXT

    @property
    def has_calls(self) -> bool:
        """Whether a tool call has begun."""
        return self._calls is not None

    @property
    def has_whole_calls(self) -> bool:
        """Whether every call has arguments; true without calls."""
        return self._calls is None or self._calls.are_whole

    @property
    def may_have_calls(self) -> bool:
        """Whether a text was a call, or may still become one: then a reader must take over."""
        return self._screen is not None and (self._screen.found_calls or not self._screen.is_clear)

    @property
    def unsent(self) -> bytes:
        """Take the bytes held back, for a reader that takes over.

        The events in `_waiting` only once.
        """
        return self._with_waiting(self.rest)

    def feed_known(self, data: bytes) -> bytes:
        """Read bytes of the body whose events all have the known bytes around their texts.

        Most reads are such. Returns the bytes to send; empty where the read has other events: then
        call `feed` with the same bytes.
        """
        return b"" if self.rest else self._pass_known(data)

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Read bytes of the body, cut anywhere. Returns the bytes to send, and None.

        Where an event is not plain, the second value is all bytes that were not sent, and the
        stream is over.
        """
        data = self.rest + data if self.rest else data
        stop = data.rfind(EVENT_END) + len(EVENT_END)
        if stop < len(EVENT_END):
            if len(data) > _LONGEST_EVENT or CR in data:
                self.rest = b""
                return b"", self._with_waiting(data)
            self.rest = data
            return b"", None
        self.rest = data[stop:]
        ready: list[bytes] = []
        at, may_run = 0, True
        while at < stop:
            if may_run and self._start:
                run = data[at : data.rfind(self._end, at, stop) + len(self._end)]
                known = self._pass_known(run)
                if known:
                    ready.append(known)
                    at += len(run)
                    continue
                may_run = False  # try this once for each read: a trial searches all of it
            end = data.find(EVENT_END, at) + len(EVENT_END)
            # At a third line end in a row there is no event.
            is_event = end > at
            passed = (
                self._pass_known(data[at:end]) or self._read(data[at:end]) if is_event else None
            )
            if passed is None:
                self.rest = b""
                return b"".join(ready), self._with_waiting(data[at:])
            ready.append(passed)
            at = end
        return b"".join(ready), None

    def pop_text(self) -> str:
        """Return the text that was sent since the last `pop_text`, and forget it."""
        if self._looks_for_calls and self._calls is None:
            self._screen_texts()
        texts, self._texts, self._text_bytes = self._texts, [], 0
        self._screened = 0
        return b"".join(texts).decode()

    def passed_events(self) -> tuple[bytes, bytes]:
        """Each choice's first event, and all since the first call, for a reader that takes over."""
        return b"".join(self._firsts.values()), self._kept.to_bytes()

    def _with_waiting(self, data: bytes) -> bytes:
        """Give `data` with the events held back before it, and hold these no longer."""
        if not self._waiting:
            return data
        waiting, self._waiting = self._waiting, []
        return b"".join([came for came, _, _ in waiting]) + data

    def _pass_known(self, data: bytes) -> bytes:
        """The bytes to send for events with the known bytes around their texts; else empty."""
        start, end = self._start, self._end
        if not start or not (data.startswith(start) and data.endswith(end)):
            return b""
        inner = data[len(start) : -len(end)]
        if self._calls is not None:
            return self._pass_arguments(self._calls, inner)
        if self._accept_text(inner):
            return self._our_start + inner + self._our_end
        texts = inner.split(self._between)
        if len(texts) > 1 and all(texts) and self._accept_text(b"".join(texts)):
            return self._our_start + self._our_between.join(texts) + self._our_end
        return b""

    def _pass_arguments(self, calls: CallDeltas, inner: bytes) -> bytes:
        """As `_pass_known`, for events with arguments.

        `inner` is all between first and last frame.
        """
        texts = inner.split(self._between)
        if self._kept.is_full or not calls.accept_escaped(texts):
            return b""
        self._kept.add_arguments(self._start, b"".join(texts), self._end)
        return self._our_start + self._our_between.join(texts) + self._our_end

    def _accept_text(self, text: bytes) -> bool:
        """Accept a text that needs no parsing and cannot become a call, or return False."""
        if not text or text.translate(None, self._prose) or self._text_bytes > _MOST_TEXT:
            return False
        if not self._has_prose or self._waiting:
            return False
        self._texts.append(text)
        self._text_bytes += len(text)
        return True

    def _read(self, data: bytes) -> bytes | None:
        """Parse an event: the bytes to send, empty while it is held back; None if not plain."""
        event = data.removesuffix(EVENT_END)
        if not event.startswith(EVENT_START) or LF in event or CR in event:
            return None
        chunk = read_chunk(event[len(EVENT_START) :])
        if chunk is None:
            return self._read_call(data, event) if self._tools.names else None
        renamed = self._renaming.apply(data, chunk) if self._fits(chunk) else None
        if renamed is not None:
            self.head = self.head or chunk
            return self._read_text(chunk.choices[0], data, renamed)
        return None

    def _read_text(self, choice: PlainChunkChoice, data: bytes, renamed: bytes) -> bytes | None:
        """The result of `_read` for an event with text."""
        text = (choice.delta.content or "").encode()
        if (choice.index and self._looks_for_calls) or (text and self._may_be_thought(text)):
            return None  # only the dialect's reader looks for calls in several choices
        if self._calls is not None:
            if self._kept.is_full:
                return None
            self._kept.add(data)
            return renamed
        is_clear = not self._looks_for_calls or (not self._waiting and self._is_prose(text))
        if choice.index in self._firsts:
            frames = frames_of_text(data, renamed, text)
            if frames is not None:
                self._set_frames(frames)
            if not is_clear:
                return self._screen_event(data, renamed, text)
        elif text and not is_clear:
            return None
        else:
            self._firsts[choice.index] = data
        self._texts.append(text)
        self._text_bytes += len(text)
        return renamed

    def _may_be_thought(self, text: bytes) -> bool:
        """Whether the text may begin with thoughts: so far only blanks, or a tag, have come."""
        if self._may_think and text.lstrip()[:1] not in (b"", b"<"):
            self._may_think = False
            self._has_prose = not self._looks_for_calls
        return self._may_think

    # --- texts that may be calls

    def _screen_event(self, data: bytes, renamed: bytes, text: bytes) -> bytes | None:
        """The result of `_read` for a text that may be a call, by what the screen says."""
        self._screen_texts()
        screen = self._screen
        if screen is None or not screen.feed(text.decode()):
            if screen is None or screen.found_calls or len(self._waiting) >= _MOST_WAITING:
                return None
            self._waiting.append((data, renamed, text))
            return b""
        waiting, self._waiting = self._waiting, []
        texts = [*(held for _, _, held in waiting), text]
        self._texts += texts
        self._text_bytes += sum(map(len, texts))
        self._screened = len(self._texts)
        self._has_prose = True
        return b"".join([*(ours for _, ours, _ in waiting), renamed])

    def _is_prose(self, text: bytes) -> bool:
        """Whether a call cannot begin in the text, whatever came before it."""
        if any(sign in text for sign in _SIGN_OCTETS):
            return False
        if not self._has_prose:
            word = _FIRST_WORD.match(text.decode())
            found = word[1] if word is not None else ""
            self._has_prose = bool(text.strip()) and not (
                found and any(f"{name}.call".startswith(found) for name in self._tools.names)
            )
        return self._has_prose

    def _screen_texts(self) -> None:
        """Show the screen the texts it has not seen: it must know where lines begin."""
        if self._screen is None and self._tools.make_screen is not None:
            self._screen = self._tools.make_screen()
        if self._screen is not None:
            self._screen.feed(b"".join(self._texts[self._screened :]).decode())
        self._screened = len(self._texts)

    # --- calls

    def _read_call(self, data: bytes, event: bytes) -> bytes | None:
        """The result of `_read` for an event with a piece of a call."""
        chunk = read_call_chunk(event[len(EVENT_START) :])
        if chunk is None or self._waiting or self._kept.is_full or not self._fits(chunk):
            return None
        calls = self._calls or CallDeltas(self._tools.names)
        piece = chunk.choices[0].delta.tool_calls[0]
        if not calls.accept(piece):
            return None
        head = self.head = self.head or chunk
        if piece.function.arguments is UNSET:
            renamed = with_arguments(event[len(EVENT_START) :], head, self._renaming.public_name)
        else:
            found = self._renaming.apply(data, chunk)
            if found is None:
                return None
            renamed = found
        self._calls = calls
        frames = frames_of_arguments(data, renamed) if piece.id is UNSET else None
        if frames is not None:
            self._set_frames(frames)
            arguments = data[len(self._start) : -len(self._end)]
            self._kept.add_arguments(self._start, arguments, self._end)
            return renamed
        if piece.id is not UNSET:
            self._start = b""  # forget the bytes around earlier texts
        if 0 in self._firsts:
            self._kept.add(data)
        else:
            self._firsts[0] = data
        return renamed

    def _set_frames(self, frames: Frames) -> None:
        """Know later events by these bytes around their texts."""
        (self._start, self._end), (self._our_start, self._our_end) = frames
        self._between = self._end + self._start
        self._our_between = self._our_end + self._our_start

    def _fits(self, chunk: PlainChunk | CallChunk) -> bool:
        """Whether the chunk goes on as the stream began: one id, and one role for each choice."""
        choice, head = chunk.choices[0], self.head
        has_role = isinstance(choice.delta.role, str)
        if head is not None and (chunk.id, chunk.created) != (head.id, head.created):
            return False
        if choice.index in self._firsts:
            return not has_role and (isinstance(chunk, CallChunk) or bool(choice.delta.content))
        return has_role
