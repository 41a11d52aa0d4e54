r"""Half of a surrogate pair in JSON costs that character, never the text around it.

Software that cuts text by UTF-16 units writes half of a pair (`"\ud83d"`); software that cuts it
by bytes writes half of a UTF-8 sequence. No JSON reader of ours takes either, and no text can hold
them. U+FFFD stands in their place; where the other half follows in the next event of a stream, the
two are joined. Report: eliza#30904.
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


def well_formed(text: str) -> str:
    """A text in which halves of pairs are joined, or are U+FFFD."""
    if not _HALF.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def parse_json(data: bytes, *, allow_inf_nan: bool = True) -> Any:
    """JSON as a value; halves of characters are U+FFFD.

    Raises:
        ValueError: it is no JSON, apart from them.
    """
    try:
        return from_json(data, allow_inf_nan=allow_inf_nan)
    except ValueError:
        mended = mend_json(data)
        if mended == data:
            raise
        return from_json(mended, allow_inf_nan=allow_inf_nan)


def mend_json(data: bytes) -> bytes:
    """JSON whose texts can be read: halves of characters are U+FFFD."""
    try:
        data.decode()
    except UnicodeDecodeError:
        data = well_formed(_decode(data, "replace")).encode()
    mended = bytearray()  # `join` takes 80 bytes for each piece
    at = 0
    for found in _ESCAPES.finditer(data):
        if found["half"] is not None:
            mended += data[at : found.start("half")]
            mended += rb"\ufffd"
            at = found.end()
    return bytes(mended + data[at:]) if at else data


def is_sound(data: bytes) -> bool:
    """Whether JSON holds no half of a character."""
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            return False
    if BACKSLASH not in data or (data.find(b"\\ud") < 0 and data.find(b"\\uD") < 0):
        return True
    return all(found["half"] is None for found in _ESCAPES.finditer(data))


def count_halves(data: bytes) -> int:
    """How many signs of JSON are there only in part: reading makes U+FFFD of each."""
    return 0 if is_sound(data) else _replaced(data, mend_json(data))


def _replaced(data: bytes, mended: bytes) -> int:
    return _replacements(mended) - _replacements(data)


def _replacements(data: bytes) -> int:
    return data.count(_REPLACEMENT) + data.lower().count(rb"\ufffd")


def _decode(data: bytes, otherwise: str) -> str:
    """Bytes as text: halves that were encoded as such are kept; for other faults `otherwise`."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", otherwise)


class SoundDecoder:
    """Events of JSON whose texts are well-formed; see `HalfJoiner`."""

    def __init__(self, decoder: EventDecoder) -> None:
        self._decoder = decoder
        self._joiner = HalfJoiner[SSEEvent](
            lambda event: event.data, lambda event, data: event._replace(data=data)
        )
        self.fault: str | None = None
        """What is wrong with the input; then nothing more is taken."""

    @property
    def replaced_signs(self) -> int:
        """As of `HalfJoiner`."""
        return self._joiner.replaced_signs

    def feed(self, data: bytes) -> list[SSEEvent]:
        """Take bytes; give the events that they complete, in order."""
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
        """The input has ended: give what is left."""
        return self._joiner.add(self._decoder.close()) + self._joiner.close()


class _OpenEnd:
    """A text whose last character is cut, inside an event that is held back."""

    def __init__(self, holder: Any, key: Any) -> None:
        self._holder = holder
        self._key = key

    def join(self, text: str) -> tuple[str, bool]:
        """What is left of the next text of the same place, and whether this end is settled."""
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
        """No other half comes."""
        self._holder[self._key] = _mend_halves(self._holder[self._key])


def _mend_halves(text: str) -> str:
    return _PARTS.sub(lambda found: _mend_part(found[0]), text)


def _mend_part(part: str) -> str:
    if "\udc80" <= part[0] <= "\udcff":
        return part.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return well_formed(part)


class HalfJoiner(Generic[T]):
    """Joins halves of surrogate pairs that a stream cut between two events.

    An event whose text ends with half of a character is held back until the text at the same place
    goes on, another text or the end comes, or some events have passed.
    """

    def __init__(self, data_of: Callable[[T], bytes], with_data: Callable[[T, bytes], T]) -> None:
        self._data_of = data_of
        self._with_data = with_data
        self.held: list[tuple[T, Any]] = []
        """The events that are held back, with their values."""
        self.replaced_signs = 0
        """How many characters came only in part: each became U+FFFD."""
        self._ends: dict[Path, _OpenEnd] = {}

    def add(self, events: Sequence[T]) -> list[T]:
        """The next events; gives those that are ready."""
        if not self.held and all(is_sound(self._data_of(event)) for event in events):
            return list(events)
        ready: list[T] = []
        for event in events:
            data = self._data_of(event)
            if not self.held and is_sound(data):
                ready.append(event)
            elif (value := _read_halves(data)) is None:
                self.replaced_signs += count_halves(data)
                ready += [*self.close(), event]
            else:
                self.held.append((event, value))
                if not self._take(value):
                    ready += self.close()
        return ready

    def close(self) -> list[T]:
        """Nothing more comes: the events that were held back."""
        for end in self._ends.values():
            end.settle()
        held, self.held, self._ends = self.held, [], {}
        ready: list[T] = []
        for event, value in held:
            data = _write(value)
            self.replaced_signs += _replaced(self._data_of(event), data)
            ready.append(self._with_data(event, data))
        return ready

    def _take(self, value: Any) -> bool:
        """Mend the texts of an event; whether to wait for the rest of a character."""
        texts = list(_texts_of(value, _place_of(value)))
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
                holder[key] = _mend_halves(text)
                continue
            goes_on = True
            holder[key] = _mend_halves(text[: opened.start()]) + opened[0]
            self._ends[path] = _OpenEnd(holder, key)
        is_over = _is_end(value) or any(key in _ENDS and holder[key] for _, holder, key in texts)
        return bool(self._ends) and goes_on and not is_over and len(self.held) < _MOST_HELD


def _is_end(value: Any) -> bool:
    """Whether an event says at its top that an answer, or a part of it, is complete."""
    if not isinstance(value, dict):
        return False
    fields = cast("dict[str, Any]", value)
    return bool(fields.get("done")) or str(fields.get("type", "")).endswith(_LAST_WORDS)


def _read_halves(data: bytes) -> Any:
    """JSON with its halves of characters in place; None where it is no object or list."""
    if len(data) > _LONGEST:
        return None
    try:
        value = json.loads(_decode(data, "surrogateescape"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _write(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return well_formed(text).encode()


def _place_of(value: Any) -> Path:
    """Which part of an answer an event is about, where it says so at its top."""
    if not isinstance(value, dict):
        return ()
    return tuple(str(cast("dict[str, Any]", value).get(name)) for name in _PLACES)


def _texts_of(value: Any, path: Path) -> Iterator[tuple[Path, Any, Any]]:
    """The texts in a value: where each is, and what holds it under which key."""
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
    """A place without its numbers: texts of one kind have the same."""
    return tuple(part for part in path[len(_PLACES) :] if isinstance(part, str))
