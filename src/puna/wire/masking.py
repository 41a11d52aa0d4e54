"""What of a request is secret, and texts without it, in whatever form a host repeats it.

Errors, reports, logs and cassettes are masked by these rules alike. The forms: as it is, in large
or small letters, wrapped over lines, or cut, down to its first twelve characters; escaped as in
JSON, HTML or a URL; in base64, hex digits or base32, alone or within a longer text, such as
`user:password`; and each of these on top of others (`disguises.py`).
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from puna.wire.disguises import View, decoded, has_codes, unescaped, whole
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
    """Whether a header (its lower-case name) lets somebody in."""
    return _SENSITIVE_HEADER.search(name) is not None


def is_sensitive_query(name: str) -> bool:
    """Whether a value of a URL's query does."""
    return _SENSITIVE_QUERY.search(name) is not None


def header_secrets(name: str, value: str) -> Iterator[str]:
    """What is secret about a sensitive header: it all, and what it is made of."""
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
    """`user:password`, and the password."""
    yield pair
    yield pair.partition(":")[2]


class Masker:
    """Knows some secrets, and puts dots in their place."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Those that are too short to be secrets are left out."""
        kept = {one for one in secrets if len(one) >= _SHORTEST}
        self._signs = tuple({sign for one in kept for sign in _signs(one[:_CUT])})
        self._needles = tuple({needle for one in sorted(kept) for needle in _needles(one)})
        self._only_ascii = all(one.isascii() for one in kept)
        self._shortest = min((len(needle.sign) for needle in self._needles), default=_CUT)

    def may_be_in(self, data: bytes) -> bool:
        """Whether a secret stands there that is at most escaped or in base64: a quick question."""
        signs = self._signs
        for sign in signs:
            if data.find(sign) >= 0:
                return True
        if not signs or (PERCENT not in data and BACKSLASH not in data):
            return False
        if data.find(b"\\u") >= 0:
            return True
        plain = data.replace(b"\\", b"")
        plain += unquote_to_bytes(plain)
        return any(plain.find(sign) >= 0 for sign in signs)

    def may_be_coded_in(self, data: bytes) -> bool:
        """Whether one stands there in a form that `may_be_in` does not see; dear for long codes."""
        for usual in _USUAL_TYPES:
            data = data.replace(usual, b"")
        return has_codes(data, self._shortest) and bool(self.spans(data))

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        """Where secrets stand, from the first to the last, whatever their form."""
        if not self._needles:
            return []
        found: list[tuple[int, int]] = []
        work = _LEAST_WORK + _WORK_PER_BYTE * len(data)
        waiting = [(whole(data), 0)]
        ascii_only = self._only_ascii
        while waiting and work > 0:
            view, depth = waiting.pop()
            for form in unescaped(view):
                work -= len(form.data)
                found += self._found(form)
                view = form
            if depth < _MOST_DEPTH:
                waiting += (
                    (one, depth + 1) for one in decoded(view, self._shortest, only_ascii=ascii_only)
                )
        return _joined(found)

    def _found(self, view: View) -> Iterator[tuple[int, int]]:
        folded = view.data.translate(_FOLD)
        for needle in self._needles:
            at = folded.find(needle.sign)
            while at >= 0:
                end = _reach(folded, at, needle.secret)
                yield view.origin(at, end)
                at = folded.find(needle.sign, end)

    def mask(self, data: bytes) -> bytes:
        """The same without secrets."""
        spans = self.spans(data)
        if not spans:
            return data
        return cut_spans(data, 0, len(data), spans)

    def mask_text(self, text: str) -> str:
        """The same without secrets."""
        data = text.encode("utf-8", "surrogatepass")
        masked = self.mask(data)
        return text if masked is data else masked.decode("utf-8", "surrogatepass")


def cut_spans(data: bytes, begin: int, end: int, spans: Iterable[tuple[int, int]]) -> bytes:
    """The bytes from begin to end; of each span only dots, where it begins."""
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


def _signs(secret: str) -> Iterator[bytes]:
    """What stands in every text with the secret, once nothing in it is escaped."""
    raw = _encoded(secret)
    bare = raw.replace(b"\\", b"")
    yield from (raw, bare, bare.replace(b" ", b"+"))
    if not secret.isascii():
        yield bare.decode("utf-8", "surrogatepass").encode("latin-1", "replace")  # as in a header
    for core in _base64_cores(raw):
        yield from (core, core.translate(_URL_SAFE))


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _base64_cores(raw: bytes) -> Iterator[bytes]:
    """The characters of base64 that tell of these bytes only, by what stands before them."""
    for offset, foreign in enumerate(_FOREIGN_CHARACTERS):
        encoded = b64encode(bytes(offset) + raw).rstrip(b"=")
        is_shared = (offset + len(raw)) % 3 != 0
        yield encoded[foreign : len(encoded) - is_shared]


class _Needle(NamedTuple):
    """A secret as it is looked for, in small letters, and its first characters, which tell it."""

    sign: bytes
    secret: bytes


def _needles(secret: str) -> Iterator[_Needle]:
    for raw in (_encoded(secret), secret.encode("latin-1", "replace")):
        cut = _encoded(secret[:_CUT]) if raw == _encoded(secret) else raw[:_CUT]
        for form, sign in ((raw, cut), (_plain(raw), _plain(cut))):
            if len(sign) >= _SHORTEST:
                yield _Needle(sign.translate(_FOLD), form.translate(_FOLD))
        if raw.isascii():
            return


def _plain(raw: bytes) -> bytes:
    """What is left of a secret when the escapes are undone that it happens to hold."""
    *_, last = unescaped(whole(raw))
    return last.data


def _reach(data: bytes, at: int, secret: bytes) -> int:
    """How far a secret goes that begins there, perhaps over the ends of lines."""
    had = _common(data, at, secret)
    at += had
    while had < len(secret):
        gap = _LINE_END.match(data, at)
        more = _common(data, gap.end(), secret[had:]) if gap is not None else 0
        if gap is None or more < min(_CONTINUED, len(secret) - had):
            break
        had += more
        at = gap.end() + more
    return at


def _common(data: bytes, at: int, secret: bytes) -> int:
    """How many bytes of a secret stand there."""
    length = min(len(secret), len(data) - at)
    if data.startswith(secret[:length], at):
        return length
    return next(n for n in range(length) if data[at + n] != secret[n])


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same places, each once, in order."""
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if joined and begin < joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return joined


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
