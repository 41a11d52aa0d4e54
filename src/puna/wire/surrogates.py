r"""Repairs JSON texts that hold half of a surrogate pair or of a UTF-8 sequence.

Software that cuts text by UTF-16 units writes half of a pair (`"\ud83d"`); software that cuts it by
bytes writes half of a UTF-8 sequence. No JSON parser here accepts either, and no text can hold
them. Each is replaced by U+FFFD; where the other half follows in the next event of a stream, the
two are joined. So such a half costs one character, never the text around it. Report: eliza#30904.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar, cast

from pydantic_core import from_json

from puna.wire.octets import BACKSLASH
from puna.wire.sse import EventDecoder, SSEEvent

T = TypeVar("T")

_ESCAPES = re.compile(
    rb"(?<!\\)(?:\\\\)*+(?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2}))"
)
"""Escaped pairs and halves. Backslashes that escape each other stand before them in any number."""
_HALF = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd".encode()
# Bytes that are no UTF-8 stand as U+DC80 to U+DCFF (PEP 383).
_PARTS = re.compile("[\ud800-\udbff][\udc00-\udfff]|[\udc80-\udcff]+|[\ud800-\udfff]")
_OPEN_END = re.compile("(?:[\ud800-\udbff]|[\udcc2-\udcf4][\udc80-\udcbf]{0,2})\\Z")
_MOST_HELD = 8
"""Events that wait for the other half of a character."""
_LONGEST = 65_536
"""An event of so many bytes is no piece of a text: it is not joined with others."""
_PLACES = ("type", "index", "output_index", "content_index", "contentBlockIndex", "item_id")
_ENDS = frozenset(("finish_reason", "stop_reason", "stopReason", "done_reason"))
_LAST_WORDS = ("completed", "done", "failed", "incomplete", "stop")

Path = tuple[Any, ...]


def repair_text(text: str) -> str:
    """The text with halves of surrogate pairs joined, or replaced by U+FFFD."""
    if not _HALF.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def parse_json(data: bytes, *, allow_inf_nan: bool = True) -> Any:
    """Parse JSON; halves of characters become U+FFFD.

    Raises:
        ValueError: it is not JSON, apart from them.
        MemoryError: its values do not fit into the memory that is left.
    """
    try:
        return from_json(data, allow_inf_nan=allow_inf_nan)
    except ValueError:
        mended = repair_json(data)
        if mended == data:
            raise
        return from_json(mended, allow_inf_nan=allow_inf_nan)
    except BaseException as error:
        # The parser cannot make a value; its exception has no public name, and is no `Exception`.
        if type(error).__name__ == "PanicException":
            raise MemoryError from error
        raise


def repair_json(data: bytes) -> bytes:
    """The JSON with halves of characters replaced by U+FFFD, so that it can be parsed."""
    try:
        data.decode()
    except UnicodeDecodeError:
        data = repair_text(_decode(data, "replace")).encode()
    mended = bytearray()  # `join` takes 80 bytes for each piece
    at = 0
    for found in _ESCAPES.finditer(data):
        if found["half"] is not None:
            mended += data[at : found.start("half")]
            mended += rb"\ufffd"
            at = found.end()
    return bytes(mended + data[at:]) if at else data


def is_well_formed(data: bytes) -> bool:
    """Whether a JSON text holds no half of a character."""
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            return False
    if BACKSLASH not in data or (data.find(b"\\ud") < 0 and data.find(b"\\uD") < 0):
        return True
    return all(found["half"] is None for found in _ESCAPES.finditer(data))


def count_replacements(data: bytes) -> int:
    """How many characters `repair_json` replaces by U+FFFD."""
    return 0 if is_well_formed(data) else _count_new(data, repair_json(data))


def _count_new(data: bytes, mended: bytes) -> int:
    """How many more U+FFFD the repaired JSON has."""
    return _count_marks(mended) - _count_marks(data)


def _count_marks(data: bytes) -> int:
    """How many U+FFFD some JSON has."""
    return data.count(_REPLACEMENT) + data.lower().count(rb"\ufffd")


def _decode(data: bytes, default: str) -> str:
    """Decode UTF-8, keeping encoded surrogate halves.

    Other faults use the error handler `default`.
    """
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", default)


class WellFormedDecoder:
    """Wraps an event decoder, so that the JSON texts of its events are well-formed.

    Halves of a character in two events are joined by a `HalfJoiner`.
    """

    def __init__(self, decoder: EventDecoder) -> None:
        self._decoder = decoder
        self._joiner = HalfJoiner[SSEEvent](
            lambda event: event.data, lambda event, data: event._replace(data=data)
        )
        self.fault: str | None = None
        """What is wrong with the input; then nothing more is taken."""

    @property
    def replaced_signs(self) -> int:
        """How many characters were replaced by U+FFFD so far."""
        return self._joiner.replaced_signs

    def feed(self, data: bytes) -> list[SSEEvent]:
        """Add bytes; gives the events that are complete and repaired, in order."""
        decoder = self._decoder
        events = decoder.feed(data)
        self.fault = decoder.fault
        if self._joiner.held:
            return self._joiner.add(events)
        for event in events:
            text = event.data
            if (BACKSLASH in text and text.find(b"\\u") >= 0) or not text.isascii():
                return self._joiner.add(events)
        return events  # nearly all are plain: no call for each

    def close(self) -> list[SSEEvent]:
        """End the input; gives the events that were held back."""
        return self._joiner.add(self._decoder.close()) + self._joiner.close()


class _CutText:
    """A text in a held event whose last character is cut."""

    def __init__(self, holder: Any, key: Any) -> None:
        self._holder = holder
        self._key = key

    def join(self, text: str) -> tuple[str, bool]:
        """Join the first half with the next text of the same part of the answer.

        Returns the rest of that text, and whether this cut is repaired.
        """
        said: str = self._holder[self._key]
        found = _OPEN_END.search(said)
        assert found is not None, "only open ends are kept"  # noqa: S101 - narrows
        taken = 0
        if "\ud800" <= found[0] <= "\udbff":
            taken = int("\udc00" <= text[0] <= "\udfff")
        else:
            size = 2 + (found[0] >= "\udce0") + (found[0] >= "\udcf0")
            while taken < min(len(text), size - len(found[0])) and (
                "\udc80" <= text[taken] <= "\udcbf"
            ):
                taken += 1
        self._holder[self._key] = said + text[:taken]
        is_settled = taken == 0 or taken < len(text) or not _OPEN_END.search(said + text[:taken])
        if is_settled:
            self.settle()
        return text[taken:], is_settled

    def settle(self) -> None:
        """Replace the half by U+FFFD, because the other half did not come."""
        self._holder[self._key] = _repair_halves(self._holder[self._key])


def _repair_halves(text: str) -> str:
    """Join or replace all halves in a text."""
    return _PARTS.sub(lambda found: _repair_part(found[0]), text)


def _repair_part(part: str) -> str:
    """Join or replace the halves in a part of a text that has some."""
    if "\udc80" <= part[0] <= "\udcff":
        return part.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return repair_text(part)


class HalfJoiner(Generic[T]):
    """Joins the halves of surrogate pairs that a stream split between two events.

    An event whose text ends with half of a character is held until more text of the same part of
    the answer comes, until another text or the end comes, or until some events have passed.
    """

    def __init__(self, data_of: Callable[[T], bytes], with_data: Callable[[T, bytes], T]) -> None:
        self._data_of = data_of
        self._with_data = with_data
        self.held: list[tuple[T, Any]] = []
        """The events that are held back, with their values."""
        self.replaced_signs = 0
        """How many characters came only in part: each became U+FFFD."""
        self._ends: dict[Path, _CutText] = {}

    def add(self, events: Sequence[T]) -> list[T]:
        """Add the next events. Returns those that are ready."""
        if not self.held and all(is_well_formed(self._data_of(event)) for event in events):
            return list(events)
        ready: list[T] = []
        for event in events:
            data = self._data_of(event)
            if not self.held and is_well_formed(data):
                ready.append(event)
            elif (value := _read_halves(data)) is None:
                self.replaced_signs += count_replacements(data)
                ready += [*self.close(), event]
            else:
                self.held.append((event, value))
                if not self._repair(value):
                    ready += self.close()
        return ready

    def close(self) -> list[T]:
        """End the stream. Returns the events that were held."""
        for end in self._ends.values():
            end.settle()
        held, self.held, self._ends = self.held, [], {}
        ready: list[T] = []
        for event, value in held:
            data = _serialize(value)
            self.replaced_signs += _count_new(self._data_of(event), data)
            ready.append(self._with_data(event, data))
        return ready

    def _repair(self, value: Any) -> bool:
        """Repair the texts of an event. Returns whether it must be held."""
        texts = list(_texts_of(value, _position_of(value)))
        waiting = {_names_in(path) for path in self._ends}
        goes_on = any(_names_in(path) in waiting for path, _, _ in texts)
        for path, holder, key in texts:
            text, end = holder[key], self._ends.get(path)
            if end is not None and text:
                text, is_settled = end.join(text)
                if is_settled:
                    del self._ends[path]
            opened = _OPEN_END.search(text) if path not in self._ends else None
            if opened is None:
                holder[key] = _repair_halves(text)
                continue
            goes_on = True
            holder[key] = _repair_halves(text[: opened.start()]) + opened[0]
            self._ends[path] = _CutText(holder, key)
        is_over = _is_end(value) or any(key in _ENDS and holder[key] for _, holder, key in texts)
        return bool(self._ends) and goes_on and not is_over and len(self.held) < _MOST_HELD


def _is_end(value: Any) -> bool:
    """Whether an event says that an answer, or a part of it, is complete."""
    if not isinstance(value, dict):
        return False
    fields = cast("dict[str, Any]", value)
    return bool(fields.get("done")) or str(fields.get("type", "")).endswith(_LAST_WORDS)


def _read_halves(data: bytes) -> Any:
    """Parse JSON, keeping halves of characters; None where it is not an object or a list."""
    if len(data) > _LONGEST:
        return None
    try:
        value = json.loads(_decode(data, "surrogateescape"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _serialize(value: Any) -> bytes:
    """Serialize a repaired event."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return repair_text(text).encode()


def _position_of(value: Any) -> Path:
    """The part of an answer that an event is about, as far as its top-level fields say."""
    if not isinstance(value, dict):
        return ()
    return tuple(str(cast("dict[str, Any]", value).get(name)) for name in _PLACES)


def _texts_of(value: Any, path: Path) -> Iterator[tuple[Path, Any, Any]]:
    """Each text in a value: its path, its container, and its key there."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
    elif isinstance(value, list):
        items = enumerate(cast("list[Any]", value))
    for key, one in list(items):
        place = key
        if isinstance(value, list) and isinstance(one, dict):
            place = cast("dict[str, Any]", one).get("index", key)
        if isinstance(one, str):
            yield (*path, place), value, key
        elif isinstance(one, dict | list):
            yield from _texts_of(one, (*path, place if isinstance(place, str | int) else key))


def _names_in(path: Path) -> Path:
    """A path without its indexes: texts of one kind have the same."""
    return tuple(part for part in path[len(_PLACES) :] if isinstance(part, str))
