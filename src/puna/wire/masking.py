"""Finds secrets in texts and replaces them with dots, in whatever form a host repeats them.

Errors, reports, logs and cassettes are all masked by these rules. The forms: as it is, in another
letter case, wrapped over lines, or cut down to its first twelve characters; escaped as in JSON,
HTML or a URL; in base64, hex or base32, alone or within a longer text, such as `user:password`; and
each of these on top of others (`decoded_views.py`).
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from puna.wire.decoded_views import (
    View,
    decoded_views,
    may_hold_encoded,
    plain_view,
    unescaped_views,
)
from puna.wire.octets import BACKSLASH, PERCENT
from puna.wire.sigv4 import SCHEME

DOTS: Final = "•••"

_SENSITIVE_HEADER = re.compile(
    r"auth|cookie|credential|password|secret|session|signature|(?:key|token)$"
)
_SENSITIVE_QUERY = re.compile(r"key|token|secret|sig|pass|auth|code", re.IGNORECASE)
_SIGNED = re.compile(rf"{SCHEME} Credential=([^/]+)/")
_SHORTEST = 8
"""A shorter text is a dummy for a local server: taking it out would riddle a reply with dots."""

_CUT = 12
"""So many characters of a secret are too many."""

_LINE_END = re.compile(rb"-?(?:\s|\\++[nrt]){1,8}+")
_CONTINUED = 4
"""What goes on behind the end of a line with so many characters of a secret is its rest."""

_MOST_DEPTH = 4
"""Codes within codes that are looked into."""

_WORK_PER_BYTE = 64
_LEAST_WORK = 65_536
_USUAL_TYPES = (b"application/json", b"text/event-stream")
"""Values of headers that look like codes."""

_FOLD = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ+", b"abcdefghijklmnopqrstuvwxyz ")
_FOREIGN_CHARACTERS = (0, 2, 3)
"""By how many bytes stand before a secret in a group of three: how many characters tell of them."""


def is_sensitive_header(name: str) -> bool:
    """Whether a header with this lower-case name holds credentials."""
    return _SENSITIVE_HEADER.search(name) is not None


def is_sensitive_query(name: str) -> bool:
    """Whether a URL query parameter with this name holds credentials."""
    return _SENSITIVE_QUERY.search(name) is not None


def header_secrets(name: str, value: str) -> Iterator[str]:
    """The secrets in a sensitive header: its whole value, and its parts."""
    signed = _SIGNED.match(value)
    if signed is not None:
        yield signed.group(1)  # the rest differs in every request, and is soon worth nothing
        return
    yield value
    scheme, _, bare = value.partition(" ")
    bare = bare.strip()
    if "cookie" in name:
        for cookie in value.split(";"):
            yield cookie.partition("=")[2].strip()
    elif bare:
        yield bare
        if scheme.lower() == "basic":
            try:
                yield from pair_secrets(b64decode(bare).decode())
            except ValueError:  # no base64, or no text
                return


def pair_secrets(pair: str) -> Iterator[str]:
    """The secrets in `user:password`: the whole, and the password."""
    yield pair
    yield pair.partition(":")[2]


class Masker:
    """Replaces the secrets of one request, or one deployment, in texts with dots."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Prepare the search.

        Secrets that are too short to be told from ordinary text are ignored.
        """
        kept = {one for one in secrets if len(one) >= _SHORTEST}
        self._markers = tuple({marker for one in kept for marker in _markers(one[:_CUT])})
        self._needles = tuple({needle for one in sorted(kept) for needle in _needles(one)})
        self._only_ascii = all(one.isascii() for one in kept)
        self._shortest = min((len(needle.prefix) for needle in self._needles), default=_CUT)

    def may_be_in(self, data: bytes) -> bool:
        """Whether a text may hold a secret that is plain, escaped once, or in base64. Cheap."""
        markers = self._markers
        for marker in markers:
            if data.find(marker) >= 0:
                return True
        if not markers or (PERCENT not in data and BACKSLASH not in data):
            return False
        if data.find(b"\\u") >= 0:
            return True
        plain = data.replace(b"\\", b"")
        plain += unquote_to_bytes(plain)
        return any(plain.find(marker) >= 0 for marker in markers)

    def may_be_encoded_in(self, data: bytes) -> bool:
        """Whether a text holds a secret in a form that `may_be_in` misses.

        Slow for long encoded runs.
        """
        for usual in _USUAL_TYPES:
            data = data.replace(usual, b"")
        return may_hold_encoded(data, self._shortest) and bool(self.spans(data))

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        """The ranges of all secrets in a text, in order, whatever their form."""
        if not self._needles:
            return []
        found: list[tuple[int, int]] = []
        work = _LEAST_WORK + _WORK_PER_BYTE * len(data)
        waiting = [(plain_view(data), 0)]
        ascii_only = self._only_ascii
        while waiting and work > 0:
            view, depth = waiting.pop()
            for form in unescaped_views(view):
                work -= len(form.data)
                found += self._find_in(form)
                view = form
            if depth < _MOST_DEPTH:
                waiting += (
                    (one, depth + 1)
                    for one in decoded_views(view, self._shortest, only_ascii=ascii_only)
                )
        return _merge_spans(found)

    def _find_in(self, view: View) -> Iterator[tuple[int, int]]:
        """The ranges of secrets in one view of a text, as ranges of the original text."""
        folded = view.data.translate(_FOLD)
        for needle in self._needles:
            at = folded.find(needle.prefix)
            while at >= 0:
                end = _end_of_secret(folded, at, needle.secret)
                yield view.origin(at, end)
                at = folded.find(needle.prefix, end)

    def mask(self, data: bytes) -> bytes:
        """The bytes with dots in place of secrets."""
        spans = self.spans(data)
        if not spans:
            return data
        return cut_spans(data, 0, len(data), spans)

    def mask_text(self, text: str) -> str:
        """The text with dots in place of secrets."""
        data = text.encode("utf-8", "surrogatepass")
        masked = self.mask(data)
        return text if masked is data else masked.decode("utf-8", "surrogatepass")


def cut_spans(data: bytes, begin: int, end: int, spans: Iterable[tuple[int, int]]) -> bytes:
    """The bytes from `begin` to `end`, with dots in place of each span."""
    kept: list[bytes] = []
    at = begin
    for first, last in spans:
        if last <= at or first >= end:
            continue
        kept.append(data[at : max(at, first)])
        if first >= begin:
            kept.append(DOTS.encode())
        at = min(last, end)
    kept.append(data[at:end])
    return b"".join(kept)


def _markers(secret: str) -> Iterator[bytes]:
    """Byte strings of which at least one occurs in every text with the secret, once unescaped."""
    raw = _encoded(secret)
    bare = raw.replace(b"\\", b"")
    yield from (raw, bare, bare.replace(b" ", b"+"))
    if not secret.isascii():
        yield bare.decode("utf-8", "surrogatepass").encode("latin-1", "replace")  # as in a header
    for core in _base64_markers(raw):
        yield from (core, core.translate(_URL_SAFE))


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _base64_markers(raw: bytes) -> Iterator[bytes]:
    """The base64 characters that depend on these bytes only, for each of the three offsets."""
    for offset, foreign in enumerate(_FOREIGN_CHARACTERS):
        encoded = b64encode(bytes(offset) + raw).rstrip(b"=")
        is_shared = (offset + len(raw)) % 3 != 0
        yield encoded[foreign : len(encoded) - is_shared]


class _Needle(NamedTuple):
    """A secret to search for, in lower case, and the prefix that identifies it."""

    prefix: bytes
    secret: bytes


def _needles(secret: str) -> Iterator[_Needle]:
    """The forms of a secret to search for."""
    for raw in (_encoded(secret), secret.encode("latin-1", "replace")):
        cut = _encoded(secret[:_CUT]) if raw == _encoded(secret) else raw[:_CUT]
        for form, prefix in ((raw, cut), (_unescaped(raw), _unescaped(cut))):
            if len(prefix) >= _SHORTEST:
                yield _Needle(prefix.translate(_FOLD), form.translate(_FOLD))
        if raw.isascii():
            return


def _unescaped(raw: bytes) -> bytes:
    """A secret with its escapes undone, for one that happens to look escaped itself."""
    *_, last = unescaped_views(plain_view(raw))
    return last.data


def _end_of_secret(data: bytes, at: int, secret: bytes) -> int:
    """The offset at which the secret that begins at `at` ends.

    It may continue after line breaks.
    """
    had = _matching_bytes(data, at, secret)
    at += had
    while had < len(secret):
        gap = _LINE_END.match(data, at)
        more = _matching_bytes(data, gap.end(), secret[had:]) if gap is not None else 0
        if gap is None or more < min(_CONTINUED, len(secret) - had):
            break
        had += more
        at = gap.end() + more
    return at


def _matching_bytes(data: bytes, at: int, secret: bytes) -> int:
    """How many bytes of a secret match at an offset."""
    length = min(len(secret), len(data) - at)
    if data.startswith(secret[:length], at):
        return length
    return next(n for n in range(length) if data[at + n] != secret[n])


def _merge_spans(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sort the ranges and merge overlapping ones."""
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if joined and begin < joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return joined


def _encoded(text: str) -> bytes:
    """Encode a text; halves of surrogate pairs are kept."""
    return text.encode("utf-8", "surrogatepass")
