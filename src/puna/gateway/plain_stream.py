"""A stream's events passed on as they came, as long as each only adds text or calls to a choice."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from msgspec import UNSET

from puna.engine.rescue import CallScreen
from puna.gateway.call_deltas import CallDeltas, KeptEvents
from puna.rescue.stream import SIGNS
from puna.wire.octets import BACKSLASH, CR, LF
from puna.wire.plain_replies import (
    CallChunk,
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
"""An unfinished event is searched again with each piece; a longer one is for the linear reader."""

_MOST_HELD: Final = 16_384
"""Bytes of text that wait to be counted."""

_CONTENT = re.compile(rb'"content"\s*:\s*"')
_ARGUMENTS = re.compile(rb'"arguments"\s*:\s*"')
_STRING_END = re.compile(rb'(?:[^"\\]|\\.)*+')
_PLAIN = bytes(code for code in range(0x20, 0x7F) if code not in b'"\\')
"""What stands in a JSON text as it is, without an escape."""
_PROSE = bytes(code for code in _PLAIN if chr(code) not in SIGNS)
"""The same without the signs with which a call may begin."""
_SIGN_OCTETS = tuple(ord(sign) for sign in SIGNS)
_MOST_WAITING: Final = 256
"""Events that wait until it is clear whether their texts are a call."""

_FIRST_WORD = re.compile(r"\s*([A-Za-z0-9_.-]*)")


@dataclass(frozen=True, slots=True)
class StreamTools:
    """What a stream needs to know of its request's tools.

    Attributes:
        names: the functions that may be called.
        make_screen: makes what looks for calls in texts; None where nobody looks.
        looks_for_thoughts: whether a text may begin with thoughts between tags.
    """

    names: AbstractSet[str] = frozenset()
    make_screen: Callable[[], CallScreen] | None = None
    looks_for_thoughts: bool = False


NO_TOOLS: Final = StreamTools()
"""Of a request without any."""


class PlainStream:
    """Passes on the events that only add text or calls, as long as all are such.

    The events of a choice differ in their text only. So once one was read, the next is known by the
    bytes around its text, and needs no reading. Where a text may become a call, its event waits
    until that is clear.
    """

    def __init__(self, renaming: Renaming, tools: StreamTools = NO_TOOLS) -> None:
        self._renaming = renaming
        self._tools = tools
        self.head: PlainChunk | CallChunk | None = None
        self._firsts: dict[int, bytes] = {}
        self._texts: list[bytes] = []
        self._held = 0
        # What stands around a text at the host, and to the client.
        self._start = self._end = b""
        self._our_start = self._our_end = b""
        # What stands between two texts.
        self._between = self._our_between = b""
        self.rest = b""
        # Texts that may be calls.
        self._looks_for_calls = tools.make_screen is not None
        self._prose = _PROSE if self._looks_for_calls else _PLAIN
        self._may_think = tools.looks_for_thoughts
        self._has_prose = not (self._looks_for_calls or self._may_think)
        """Whether it is clear that the text does not begin with a call's name."""
        self._screen: CallScreen | None = None
        self._screened = 0
        """How many of the texts were screened."""
        self._waiting: list[tuple[bytes, bytes, bytes]] = []
        """Events whose texts may become a call: as they came, as they go, their texts."""
        # Calls.
        self._calls: CallDeltas | None = None
        self._kept = KeptEvents()

    @property
    def has_one_choice(self) -> bool:
        """Whether all events were of the first choice."""
        return self._firsts.keys() == {0}

    @property
    def has_text(self) -> bool:
        """Whether the events said anything since the last call of `take_text`."""
        return self._held > 0 or self._calls is not None

    @property
    def is_full(self) -> bool:
        """Whether so much was said that it should be counted: see `take_text`."""
        return self._held > _MOST_HELD

    @property
    def has_calls(self) -> bool:
        """Whether a tool call has begun."""
        return self._calls is not None

    @property
    def has_whole_calls(self) -> bool:
        """Whether each call has arguments; so it is without calls."""
        return self._calls is None or self._calls.are_whole

    @property
    def may_have_calls(self) -> bool:
        """Whether a text was a call, or may still become one: the mending reader must take over."""
        return self._screen is not None and (self._screen.found_calls or not self._screen.is_clear)

    @property
    def unsent(self) -> bytes:
        """The bytes that were held back."""
        return self._came_before(self.rest)

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
                return b"", self._came_before(data)
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
            end = data.find(EVENT_END, at) + len(EVENT_END)
            # Behind three line ends no event ends here.
            is_event = end > at
            passed = self._known(data[at:end]) or self._read(data[at:end]) if is_event else None
            if passed is None:
                self.rest = b""
                return b"".join(ready), self._came_before(data[at:])
            ready.append(passed)
            at = end
        return b"".join(ready), None

    def take_text(self) -> str:
        """What the events said since the last call."""
        if self._looks_for_calls and self._calls is None:
            self._screen_texts()
        texts, self._texts, self._held = self._texts, [], 0
        self._screened = 0
        return b"".join(texts).decode()

    def passed_events(self) -> tuple[bytes, bytes]:
        """What a reader that takes over must know: first events, and all since the first call."""
        return b"".join(self._firsts.values()), self._kept.take()

    def _came_before(self, data: bytes) -> bytes:
        """Bytes with the events that were held back before them."""
        if not self._waiting:
            return data
        waiting, self._waiting = self._waiting, []
        return b"".join([came for came, _, _ in waiting]) + data

    def _known(self, data: bytes) -> bytes:
        """What to send for events that differ from one that was read in their texts only."""
        start, end = self._start, self._end
        if not start or not (data.startswith(start) and data.endswith(end)):
            return b""
        said = data[len(start) : -len(end)]
        if self._calls is not None:
            return self._known_arguments(self._calls, said)
        if self._note(said):
            return self._our_start + said + self._our_end
        texts = said.split(self._between)
        if len(texts) > 1 and all(texts) and self._note(b"".join(texts)):
            return self._our_start + self._our_between.join(texts) + self._our_end
        return b""

    def _known_arguments(self, calls: CallDeltas, said: bytes) -> bytes:
        texts = said.split(self._between)
        if self._kept.is_full or not calls.take_escaped(texts):
            return b""
        self._kept.add_arguments(self._start, b"".join(texts), self._end)
        return self._our_start + self._our_between.join(texts) + self._our_end

    def _note(self, text: bytes) -> bool:
        """Whether a text needs no reading; then it is noted. One that is full goes the long way."""
        if not text or text.translate(None, self._prose) or self._held > _MOST_HELD:
            return False
        if not self._has_prose or self._waiting:
            return False
        self._texts.append(text)
        self._held += len(text)
        return True

    def _read(self, data: bytes) -> bytes | None:
        """The event under the public name, empty while it waits; None when it is not plain."""
        event = data.removesuffix(EVENT_END)
        if not event.startswith(EVENT_START) or LF in event or CR in event:
            return None
        chunk = read_chunk(event[len(EVENT_START) :])
        if chunk is None:
            return self._read_call(data, event) if self._tools.names else None
        renamed = self._renaming.apply(data, chunk) if self._fits(chunk) else None
        if renamed is not None:
            self.head = self.head or chunk
            return self._take_text(chunk.choices[0], data, renamed)
        return None

    def _take_text(self, choice: PlainChunkChoice, data: bytes, renamed: bytes) -> bytes | None:
        """A text's event, as `_read` gives it."""
        text = (choice.delta.content or "").encode()
        if (choice.index and self._looks_for_calls) or (text and self._may_be_thought(text)):
            return None  # the texts of each choice are looked through for themselves
        if self._calls is not None:
            if self._kept.is_full:
                return None
            self._kept.add(data)
            return renamed
        is_clear = not self._looks_for_calls or (not self._waiting and self._is_prose(text))
        if choice.index in self._firsts:
            self._learn(data, renamed, text)
            if not is_clear:
                return self._screen_event(data, renamed, text)
        elif text and not is_clear:
            return None
        else:
            self._firsts[choice.index] = data
        self._texts.append(text)
        self._held += len(text)
        return renamed

    def _may_be_thought(self, text: bytes) -> bool:
        """Whether thoughts may stand at the beginning of the text: behind a tag, or blanks."""
        if self._may_think and text.lstrip()[:1] not in (b"", b"<"):
            self._may_think = False
            self._has_prose = not self._looks_for_calls
        return self._may_think

    # --- texts that may be calls

    def _screen_event(self, data: bytes, renamed: bytes, text: bytes) -> bytes | None:
        """A text's event once it is clear that it is no call; empty before; None for a call."""
        self._screen_texts()
        screen = self._screen
        if screen is None or not screen.take(text.decode()):
            if screen is None or screen.found_calls or len(self._waiting) >= _MOST_WAITING:
                return None
            self._waiting.append((data, renamed, text))
            return b""
        waiting, self._waiting = self._waiting, []
        texts = [*(held for _, _, held in waiting), text]
        self._texts += texts
        self._held += sum(map(len, texts))
        self._screened = len(self._texts)
        self._has_prose = True
        return b"".join([*(ours for _, ours, _ in waiting), renamed])

    def _is_prose(self, text: bytes) -> bool:
        """Whether nothing in a text can begin a call, wherever the text stands."""
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
        """Show the screen the texts that were clear without it: it knows lines and beginnings."""
        if self._screen is None and self._tools.make_screen is not None:
            self._screen = self._tools.make_screen()
        if self._screen is not None:
            self._screen.take(b"".join(self._texts[self._screened :]).decode())
        self._screened = len(self._texts)

    # --- calls

    def _read_call(self, data: bytes, event: bytes) -> bytes | None:
        chunk = read_call_chunk(event[len(EVENT_START) :])
        if chunk is None or self._waiting or self._kept.is_full or not self._fits(chunk):
            return None
        calls = self._calls or CallDeltas(self._tools.names)
        piece = chunk.choices[0].delta.tool_calls[0]
        if not calls.take(piece):
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
        if piece.id is UNSET and self._learn_arguments(data, renamed):
            said = data[len(self._start) : -len(self._end)]
            self._kept.add_arguments(self._start, said, self._end)
            return renamed
        if piece.id is not UNSET:
            self._start = b""  # what stood around the texts before
        if 0 in self._firsts:
            self._kept.add(data)
        else:
            self._firsts[0] = data
        return renamed

    def _learn_arguments(self, event: bytes, renamed: bytes) -> bool:
        """Note what stands around these arguments; whether it is clear where they are."""
        theirs, ours = _ARGUMENTS.search(event), _ARGUMENTS.search(renamed)
        if theirs is None or ours is None or len(_ARGUMENTS.findall(event)) != 1:
            return False
        end, our_end = (
            _STRING_END.match(event, theirs.end()),
            _STRING_END.match(renamed, ours.end()),
        )
        if end is None or our_end is None:
            return False
        around = event[: theirs.end()] + event[end.end() :]
        if BACKSLASH in around:
            return False  # an escape could spell a second `arguments`
        self._surround(
            (event[: theirs.end()], event[end.end() :]),
            (renamed[: ours.end()], renamed[our_end.end() :]),
        )
        return True

    # --- what is known by its bytes

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
        self._surround(
            (event[: theirs.end()], event[theirs.end() + len(text) :]),
            (renamed[: ours.end()], renamed[ours.end() + len(text) :]),
        )

    def _surround(self, theirs: tuple[bytes, bytes], ours: tuple[bytes, bytes]) -> None:
        self._start, self._end = theirs
        self._our_start, self._our_end = ours
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
