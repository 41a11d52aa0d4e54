"""Finds encoded texts within texts: escapes undone, and base64, hex and base32 decoded.

Each result is a view: decoded bytes, with a function that maps a range of them to the range of the
original text that they came from. The cost is linear in the text's length.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_hex
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Final, NamedTuple, Protocol

from puna.wire.octets import PERCENT

Origin = Callable[[int, int], tuple[int, int]]
"""Where the bytes from one position of a view up to another come from."""

_ESCAPE: Final = re.compile(
    rb"%(?:25)*(?P<percent>[0-9a-fA-F]{2})"
    rb"|\\{1,16}u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\{1,16}u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|\\{1,16}u(?P<unit>[0-9a-fA-F]{4})"
    rb"|\\{1,16}x(?P<byte>[0-9a-fA-F]{2})"
    rb"|\\{1,16}"
    rb"|&(?:amp;)*#[xX]0{0,8}(?P<hexadecimal>[0-9a-fA-F]{1,6});?"
    rb"|&(?:amp;)*#0{0,8}(?P<decimal>[0-9]{1,7});?"
    rb"|&(?:amp;)*(?P<name>[A-Za-z]{2,8});"
)
"""Of URLs (however often they were escaped), JSON, JavaScript and HTML. A lone backslash is one."""

_ESCAPING: Final = re.compile(rb"[%&\\]")
_MOST_ROUNDS: Final = 6
_LAST_CHARACTER: Final = 0x10FFFF
_CODES: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-"
_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_SIGNS: Final = bytes(
    ord("%") if sign in b"%&\\" else ord("A") if sign in _CODES else ord(" ") for sign in range(256)
)
"""`%` for what begins an escape, `A` for what codes are made of."""

_DIGITS_OF_32: Final = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567abcdefghijklmnopqrstuvwxyz",
    b"0123456789ABCDEFGHIJKLMNOPQRSTUV0123456789ABCDEFGHIJKLMNOP",
)
"""To the digits of Python's numbers of base 32."""


class View:
    """Decoded bytes, and the mapping to their origin, which is computed on first use."""

    __slots__ = ("_make_origin", "_origin", "data")

    def __init__(self, data: bytes, make_origin: Callable[[], Origin]) -> None:
        self.data = data
        self._make_origin = make_origin
        self._origin: Origin | None = None

    def origin(self, begin: int, end: int) -> tuple[int, int]:
        """The range of the original text that a range of the view's bytes comes from."""
        if self._origin is None:
            self._origin = self._make_origin()
        return self._origin(begin, end)


def plain_view(data: bytes) -> View:
    """The view of a text itself, not decoded."""
    return View(data, lambda: lambda begin, end: (begin, end))


def unescaped_views(view: View) -> Iterator[View]:
    """The view itself, then views with its escapes undone, as often as that changes it."""
    yield view
    for _ in range(_MOST_ROUNDS):
        if _ESCAPING.search(view.data) is None:
            return
        undone = _ESCAPE.sub(_decode_escape, view.data)
        if len(undone) == len(view.data):
            return
        view = View(undone, _unescaped_origin(view))
        yield view


def decoded_views(view: View, shortest: int, *, only_ascii: bool) -> Iterator[View]:
    """Views of what the runs of base64, hex and base32 characters in a view may decode to.

    Runs are decoded from every offset. Only results that hold a text of at least `shortest` bytes
    count; `only_ascii` says that it must be ASCII.
    """
    patterns = _runs(shortest)
    spans = [found.span() for found in patterns.any_code.finditer(view.data)]
    if not spans:
        return
    text = patterns.ascii_text if only_ascii else patterns.any_text
    for skipped in range(4):
        yield from _decoded_texts(view, spans, text, _Base64(skipped))
    runs = b"\n".join(view.data[begin:end] for begin, end in spans)
    for pattern, codes in ((patterns.hex_digits, _HEX), (patterns.base32, _BASE32)):
        if pattern.search(runs) is not None:
            inner = [found.span() for found in pattern.finditer(view.data)]
            for code in codes:
                yield from _decoded_texts(view, inner, text, code)


def may_hold_encoded(data: bytes, shortest: int) -> bool:
    """Whether bytes hold an escape, or a run that may decode to `shortest` bytes. Cheap."""
    signs = data.translate(_SIGNS)
    return PERCENT in signs or signs.find(b"A" * _base64_length(shortest)) >= 0


class _Codec(Protocol):
    """Decodes a run of characters, and maps decoded bytes to the characters they come from."""

    def read(self, run: bytes) -> bytes:
        """The bytes that a run decodes to."""
        ...

    def source_span(self, begin: int, end: int, length: int) -> tuple[int, int]:
        """The range of the characters, in a run of `length`, that some decoded bytes come from."""
        ...


class _Base64:
    """Base64 in both alphabets, decoded from one of four offsets."""

    def __init__(self, skipped: int) -> None:
        self._skipped = skipped

    def read(self, run: bytes) -> bytes:
        """Decode a run from the offset; missing characters count as `A`."""
        part = run[self._skipped :].translate(_STANDARD)
        return a2b_base64(part + b"A" * (-len(part) % 4))

    def source_span(self, begin: int, end: int, length: int) -> tuple[int, int]:
        """The characters in the run that the bytes `begin` to `end` come from."""
        groups, at = divmod(end - 1, 3)
        stop = min(length, self._skipped + groups * 4 + at + 2)
        return self._skipped + begin // 3 * 4 + begin % 3, stop


class _Hex:
    """Hex digits, decoded from an even or an odd offset."""

    def __init__(self, skipped: int) -> None:
        self._skipped = skipped

    def read(self, run: bytes) -> bytes:
        """Decode a run from the offset, without an odd last digit."""
        part = run[self._skipped :]
        return a2b_hex(part[: len(part) // 2 * 2])

    def source_span(self, begin: int, end: int, length: int) -> tuple[int, int]:  # noqa: ARG002 - the protocol gives it
        """The digits in the run that the bytes `begin` to `end` come from."""
        return self._skipped + 2 * begin, self._skipped + 2 * end


class _Base32:
    """Base32, decoded from one of the eight bit offsets at which a byte may end."""

    def __init__(self, surplus: int) -> None:
        self._surplus = surplus

    def read(self, run: bytes) -> bytes:
        """Decode a run, without its surplus bits."""
        bits = len(run) * 5 - self._surplus
        number = int(run.translate(_DIGITS_OF_32), 32) >> self._surplus
        return (number & ((1 << (bits // 8 * 8)) - 1)).to_bytes(bits // 8, "big")

    def source_span(self, begin: int, end: int, length: int) -> tuple[int, int]:
        """The characters in the run that the bytes `begin` to `end` come from."""
        missing = (length * 5 - self._surplus) % 8
        return (missing + begin * 8) // 5, -(-(missing + end * 8) // 5)


_HEX: Final = tuple(_Hex(skipped) for skipped in range(2))
_BASE32: Final = tuple(_Base32(surplus) for surplus in range(8))


class _Runs(NamedTuple):
    """Patterns for runs of encoded characters, and for texts that decoding may give."""

    any_code: re.Pattern[bytes]
    hex_digits: re.Pattern[bytes]
    base32: re.Pattern[bytes]
    ascii_text: re.Pattern[bytes]
    any_text: re.Pattern[bytes]


def _base64_length(shortest: int) -> int:
    """How many base64 characters hold so many bytes."""
    return (shortest * 4 + 2) // 3


@lru_cache(maxsize=32)
def _runs(shortest: int) -> _Runs:
    """The patterns of runs that can hold so many bytes."""
    of_64, of_32 = _base64_length(shortest), (shortest * 8 + 4) // 5
    return _Runs(
        re.compile(rb"[A-Za-z0-9+/_-]{%d,}" % of_64),
        re.compile(rb"[0-9a-fA-F]{%d,}" % (shortest * 2)),
        re.compile(rb"[A-Z2-7]{%d,}|[a-z2-7]{%d,}" % (of_32, of_32)),
        re.compile(rb"[ -~]{%d,}" % shortest),
        re.compile(rb"[ -~\x80-\xff]{%d,}" % shortest),
    )


def _decoded_texts(
    view: View, spans: list[tuple[int, int]], text: re.Pattern[bytes], code: _Codec
) -> Iterator[View]:
    """The texts that runs decode to, as one view with a line for each.

    Nothing where there is none.
    """
    read = [code.read(view.data[begin:end]) for begin, end in spans]
    bytes_read = b"\n".join(read)
    lines = text.findall(bytes_read)
    if not lines:
        return

    def make_origin() -> Origin:
        """Compute the mapping from the joined texts to the original text, on first use."""
        places = [found.start() for found in text.finditer(bytes_read)]
        starts = _starts(lines)
        begins = _starts(read)

        def origin(begin: int, end: int) -> tuple[int, int]:
            """The original range of the view's bytes `begin` to `end`."""
            line = bisect_right(starts, begin) - 1
            moved = places[line] - starts[line]
            run = bisect_right(begins, begin + moved) - 1
            first, last = spans[run]
            moved -= begins[run]
            start, stop = code.source_span(begin + moved, end + moved, last - first)
            return view.origin(first + start, first + stop)

        return origin

    yield View(b"\n".join(lines), make_origin)


def _starts(lines: Iterable[bytes]) -> list[int]:
    """The offset of each item when they are joined with one byte in between."""
    *starts, _ = accumulate((len(line) + 1 for line in lines), initial=0)
    return starts


def _unescaped_origin(view: View) -> Callable[[], Origin]:
    """The mapping from a view's bytes after one round of unescaping to the bytes before it."""

    def make_origin() -> Origin:
        """Compute the mapping from unescaped to escaped bytes, on first use."""
        news, olds, ends = [0], [0], [0]  # of each segment; an end of 0: it is as it was
        at = size = 0
        for found in _ESCAPE.finditer(view.data):
            begin, end = found.span()
            length = len(_decode_escape(found))
            size += begin - at
            news += (size, size + length)
            olds += (begin, end)
            ends += (end, 0)
            size += length
            at = end

        def origin(begin: int, end: int) -> tuple[int, int]:
            """The original range of the view's bytes `begin` to `end`."""
            first = bisect_right(news, begin) - 1
            last = bisect_right(news, end - 1) - 1
            start = olds[first] if ends[first] else olds[first] + begin - news[first]
            stop = ends[last] or olds[last] + end - news[last]
            return view.origin(start, stop)

        return origin

    return make_origin


def _decode_escape(found: re.Match[bytes]) -> bytes:
    """The bytes that one escape stands for."""
    kind = found.lastgroup
    if kind is None:
        return b""  # backslashes
    text = found[kind].decode()
    if kind in ("percent", "byte"):
        return bytes((int(text, 16),))
    if kind == "low":
        units = bytes.fromhex(found["high"].decode() + text)
        return units.decode("utf-16-be").encode()
    if kind == "name":
        from html.entities import html5

        meant = html5.get(f"{text};")
        return meant.encode() if meant is not None else found.group()
    number = int(text, 10 if kind == "decimal" else 16)
    if number > _LAST_CHARACTER:
        return found.group()
    return chr(number).encode("utf-8", "surrogatepass")
