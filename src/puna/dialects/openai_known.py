"""Reads an event that differs from the last one in its text only, without reading its JSON.

The events of a stream are alike but for the text that they add. So once one was read, the next is
known by the bytes around its text (docs/decisions/0015-known-bytes.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic import BaseModel

from puna.types.chat import ChatCompletionChunk, ChunkChoice, Delta

_CONTENT = re.compile(rb'"content"\s*:\s*"')
_PLAIN = bytes(code for code in range(0x20, 0x7F) if code not in b'"\\')
"""What stands in a JSON text as it is, without an escape."""

_SIMPLE = (str, int, float, bool, type(None))
_set: Callable[[BaseModel, str, object], None] = object.__setattr__


class KnownEvent:
    """An event that was read, and the chunk that it became; made by `learn`."""

    __slots__ = ("_choice", "_chunk", "_delta", "_end", "_start")

    def __init__(self, start: bytes, end: bytes, chunk: ChatCompletionChunk) -> None:
        self._start = start
        self._end = end
        self._chunk = _Mould(chunk)
        self._choice = _Mould(chunk.choices[0])
        self._delta = _Mould(chunk.choices[0].delta)

    def read(self, frame: bytes) -> ChatCompletionChunk | None:
        """The chunk of another event's data; None where that has to be read."""
        start, end = self._start, self._end
        if not (frame.startswith(start) and frame.endswith(end)):
            return None
        text = frame[len(start) : -len(end)]
        if not text or text.translate(None, _PLAIN):
            return None
        delta = self._delta.cast(content=text.decode("ascii"))
        choice = self._choice.cast(delta=delta)
        return cast("ChatCompletionChunk", self._chunk.cast(choices=[choice]))


def learn(frame: bytes, chunk: ChatCompletionChunk) -> KnownEvent | None:
    """What is known from an event's data and its chunk; None where its text has no clear place."""
    found = _CONTENT.search(frame)
    content = chunk.choices[0].delta.content
    if found is None or not content or b"\\" in frame or len(_CONTENT.findall(frame)) != 1:
        return None
    if not content.isascii() or not _is_simple(chunk):
        return None
    text = content.encode()
    if text.translate(None, _PLAIN) or not frame.startswith(text + b'"', found.end()):
        return None
    return KnownEvent(frame[: found.end()], frame[found.end() + len(text) :], chunk)


def _is_simple(chunk: ChatCompletionChunk) -> bool:
    """Whether nothing in it could be shared with another chunk and changed there."""
    choice = chunk.choices[0]
    if choice.logprobs is not None or chunk.usage is not None:
        return False
    parts: tuple[BaseModel, ...] = (chunk, choice, choice.delta)
    values = [value for part in parts for value in (part.__pydantic_extra__ or {}).values()]
    return all(isinstance(value, _SIMPLE) for value in values)


class _Mould:
    """A value to make more of, without validation: each is a copy with one field changed."""

    __slots__ = ("_extra", "_fields", "_kind", "_sent")

    def __init__(self, value: ChatCompletionChunk | ChunkChoice | Delta) -> None:
        self._kind: type[BaseModel] = type(value)
        self._fields: Mapping[str, Any] = dict(vars(value))
        self._sent = frozenset(value.__pydantic_fields_set__)
        self._extra = value.__pydantic_extra__

    def cast(self, **change: Any) -> BaseModel:
        """A copy with a change."""
        made = self._kind.__new__(self._kind)
        _set(made, "__dict__", {**self._fields, **change})
        _set(made, "__pydantic_fields_set__", set(self._sent))
        _set(made, "__pydantic_extra__", None if self._extra is None else dict(self._extra))
        _set(made, "__pydantic_private__", None)
        return made
