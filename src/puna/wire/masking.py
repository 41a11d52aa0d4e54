"""What of a request is secret, and texts without it, in whatever form a host repeats it.

Errors, reports, logs and cassettes are masked by these rules alike. The forms: as it is; escaped as
in JSON (also JSON within JSON) or in a URL; in base64, alone or within a longer text, such as
`user:password`, and escaped on top of that.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from puna.wire.sigv4 import SCHEME

DOTS: Final = "•••"

_SENSITIVE_HEADER = re.compile(
    r"auth|cookie|credential|password|secret|session|signature|(?:key|token)$"
)
_SENSITIVE_QUERY = re.compile(r"key|token|secret|sig|pass|auth|code", re.IGNORECASE)
_SIGNED = re.compile(rf"{SCHEME} Credential=([^/]+)/")
_SHORTEST = 8
"""A shorter text is a dummy for a local server: taking it out would riddle a reply with dots."""

_BASE64 = rb"[A-Za-z0-9+/_-]"
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
        # The longest first: a key may be the beginning of another.
        self._secrets = sorted(
            {one for one in secrets if len(one) >= _SHORTEST}, key=lambda one: (-len(one), one)
        )
        self._signs = tuple({sign for one in self._secrets for sign in _signs(one)})
        self._pattern: re.Pattern[bytes] | None = None

    def may_be_in(self, data: bytes) -> bool:
        """Whether to look closer: a quick question, which most texts answer with no."""
        signs = self._signs
        for sign in signs:
            if sign in data:
                return True
        if not signs or (b"%" not in data and b"\\" not in data):
            return False
        if b"\\u" in data:
            return True
        plain = data.replace(b"\\", b"")
        plain += unquote_to_bytes(plain)
        return any(sign in plain for sign in signs)

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        """Where secrets stand, from the first to the last."""
        if not self.may_be_in(data):
            return []
        if self._pattern is None:
            forms = (form for one in self._secrets for form in _forms(one))
            self._pattern = re.compile(b"|".join(forms))
        return [found.span() for found in self._pattern.finditer(data)]

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


def _forms(secret: str) -> Iterator[bytes]:
    """Patterns of a secret: as it is or escaped, and in base64 with the characters around it."""
    yield b"".join(map(_character, secret))
    for core in _base64_cores(_encoded(secret)):
        characters = b"".join(map(_base64_character, core.decode()))
        yield _BASE64 + b"?" + characters + _BASE64 + b"?" + b"(?:=|%3[dD]){0,2}"


def _character(character: str) -> bytes:
    raw = _encoded(character)
    units = character.encode("utf-16-be", "surrogatepass").hex()
    escaped = b"".join(rb"\\{1,8}u" + _hex(units[i : i + 4]) for i in range(0, len(units), 4))
    percent = b"".join(b"%" + _hex(f"{byte:02x}") for byte in raw)
    # A backslash may stand before the signs that JSON escapes.
    plain = rb"\\{0,8}" + re.escape(raw) if character in '/"\\' else re.escape(raw)
    if character == " ":
        plain = rb"[ +]"
    elif "\x7f" < character <= "\xff":
        plain += b"|" + re.escape(character.encode("latin-1"))
    return b"(?:%b|%b|%b)" % (plain, escaped, percent)


def _base64_character(character: str) -> bytes:
    variant = character.translate({ord("+"): "-", ord("/"): "_"})
    if variant == character:
        return character.encode()  # letters and digits are escaped by nobody
    return b"(?:%b|%b)" % (_character(character), re.escape(variant.encode()))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _hex(digits: str) -> bytes:
    """Hex digits, in large letters or small ones."""
    return b"".join(
        f"[{digit}{digit.upper()}]".encode() if digit.isalpha() else digit.encode()
        for digit in digits
    )
