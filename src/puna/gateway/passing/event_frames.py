"""Finds the bytes around the text in a stream's event.

The events of a stream differ only in their text. The bytes before and behind the text of one event,
its *frame*, recognize later events that need no parsing: see `passing/plain_stream.py`.
"""

from __future__ import annotations

import re

from puna.wire.octets import BACKSLASH

_CONTENT = re.compile(rb'"content"\s*:\s*"')
_ARGUMENTS = re.compile(rb'"arguments"\s*:\s*"')
_STRING_END = re.compile(rb'(?:[^"\\]|\\.)*+')
PLAIN = bytes(code for code in range(0x20, 0x7F) if code not in b'"\\')
"""The bytes that a JSON string holds as they are, without an escape."""

Frames = tuple[tuple[bytes, bytes], tuple[bytes, bytes]]
"""The bytes before and behind a text: in the host's event, and in the event for the client."""


def frames_of_text(event: bytes, renamed: bytes, text: bytes) -> Frames | None:
    """The bytes before and after the `content` of an event; None where its place is not certain.

    Later events with the same bytes are passed on without parsing. `event` is the host's, `renamed`
    the same for the client; `text` is the decoded content.
    """
    theirs, ours = _CONTENT.search(event), _CONTENT.search(renamed)
    # An escape could spell a second `content`.
    if theirs is None or ours is None or BACKSLASH in event or len(_CONTENT.findall(event)) != 1:
        return None
    if text.translate(None, PLAIN) or not event.startswith(text + b'"', theirs.end()):
        return None
    return (
        (event[: theirs.end()], event[theirs.end() + len(text) :]),
        (renamed[: ours.end()], renamed[ours.end() + len(text) :]),
    )


def frames_of_arguments(event: bytes, renamed: bytes) -> Frames | None:
    """The bytes before and after the `arguments` of an event.

    None where their place is not certain.
    """
    theirs, ours = _ARGUMENTS.search(event), _ARGUMENTS.search(renamed)
    if theirs is None or ours is None or len(_ARGUMENTS.findall(event)) != 1:
        return None
    end = _STRING_END.match(event, theirs.end())
    our_end = _STRING_END.match(renamed, ours.end())
    if end is None or our_end is None:
        return None
    around = event[: theirs.end()] + event[end.end() :]
    if BACKSLASH in around:
        return None  # an escape could spell a second `arguments`
    return (
        (event[: theirs.end()], event[end.end() :]),
        (renamed[: ours.end()], renamed[our_end.end() :]),
    )
