"""What must not reach a cassette: secrets of requests, in every form a host could repeat them."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from puna.wire.http import HTTPRequest
from puna.wire.sigv4 import SCHEME

DOTS = "•••"

_SENSITIVE_HEADER = re.compile(
    r"auth|cookie|credential|password|secret|session|signature|(?:key|token)$"
)
_SENSITIVE_QUERY = re.compile(r"key|token|secret|sig|pass|auth|code", re.IGNORECASE)
_SIGNED = re.compile(rf"{SCHEME} Credential=([^/]+)/")
_FRAMING = frozenset(
    ("connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding")
)
_SHORTEST = 8
"""A shorter text is a dummy for a local server: taking it out would riddle a reply with dots."""


class Scrubber:
    """Knows the secrets of the requests that it was shown, and takes them out."""

    def __init__(self) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._pattern: re.Pattern[bytes] | None = None

    @property
    def known(self) -> int:
        """How many secrets it knows."""
        return len(self._secrets)

    def learn(self, request: HTTPRequest) -> None:
        """Note what is secret about a request."""
        found = {secret for secret in _secrets_of(request) if len(secret) >= _SHORTEST}
        if found <= self._secrets:
            return
        self._secrets |= found
        # The longest first: a key may be the beginning of another.
        ordered = sorted(self._secrets, key=lambda secret: (-len(secret), secret))
        self._pattern = re.compile(b"|".join(form for one in ordered for form in _forms(one)))

    def clean(self, data: bytes) -> bytes:
        """The same without secrets."""
        return self._pattern.sub(DOTS.encode(), data) if self._pattern is not None else data

    def clean_text(self, text: str) -> str:
        """The same without secrets."""
        return self.clean(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def clean_pieces(self, pieces: Sequence[bytes]) -> list[bytes]:
        """The same pieces; a secret may lie over several, and its dots are where it began."""
        whole = b"".join(pieces)
        spans = [found.span() for found in self._pattern.finditer(whole)] if self._pattern else []
        cleaned: list[bytes] = []
        begin = 0
        for piece in pieces:
            end = begin + len(piece)
            cleaned.append(_without(whole, begin, end, spans))
            begin = end
        return cleaned

    def clean_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """A reply's headers without cookies and keys, and without those about its framing."""
        return {
            name: self.clean_text(value)
            for name, value in headers.items()
            if name not in _FRAMING and not _SENSITIVE_HEADER.search(name)
        }

    def clean_url(self, url: str) -> str:
        """An address without user, password and the values of a query that let somebody in."""
        try:
            parts = urlsplit(url)
        except ValueError:  # brackets that do not match
            return self.clean_text(url.partition("?")[0])
        query = "&".join(
            f"{quote(name)}={DOTS if _SENSITIVE_QUERY.search(name) else quote(value)}"
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        )
        host = parts.netloc.rpartition("@")[2]
        return self.clean_text(urlunsplit((parts.scheme, host, parts.path, query, "")))


def _secrets_of(request: HTTPRequest) -> Iterator[str]:
    for name, value in request.headers.items():
        if _SENSITIVE_HEADER.search(name):
            yield from _header_secrets(name, value)
    try:
        parts = urlsplit(request.url)
    except ValueError:
        return
    for name, value in parse_qsl(parts.query):
        if _SENSITIVE_QUERY.search(name):
            yield value
    user, _, _ = parts.netloc.rpartition("@")
    yield from _pair_secrets(unquote(user))


def _header_secrets(name: str, value: str) -> Iterator[str]:
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
                yield from _pair_secrets(b64decode(bare).decode())
            except ValueError:  # no base64, or no text
                return


def _pair_secrets(pair: str) -> Iterator[str]:
    """`user:password`, and the password."""
    yield pair
    yield pair.partition(":")[2]


def _forms(secret: str) -> tuple[bytes, bytes]:
    """Patterns of a secret: as it is or escaped (JSON, also twice; a URL), and in base64."""
    encoded = b64encode(secret.encode("utf-8", "surrogatepass")).rstrip(b"=")
    return b"".join(map(_character, secret)), re.escape(encoded)


def _character(character: str) -> bytes:
    raw = character.encode("utf-8", "surrogatepass")
    units = character.encode("utf-16-be", "surrogatepass").hex()
    escaped = b"".join(rb"\\{1,8}u" + _hex(units[i : i + 4]) for i in range(0, len(units), 4))
    percent = b"".join(b"%" + _hex(f"{byte:02x}") for byte in raw)
    # A backslash may stand before the signs that JSON escapes.
    plain = rb"\\{0,8}" + re.escape(raw) if character in '/"\\' else re.escape(raw)
    return b"(?:%b|%b|%b)" % (plain, escaped, percent)


def _hex(digits: str) -> bytes:
    """Hex digits, in large letters or small ones."""
    return b"".join(
        f"[{digit}{digit.upper()}]".encode() if digit.isalpha() else digit.encode()
        for digit in digits
    )


def _without(whole: bytes, begin: int, end: int, spans: Sequence[tuple[int, int]]) -> bytes:
    """The bytes from begin to end; of each span only dots, where it begins."""
    kept: list[bytes] = []
    at = begin
    for first, last in spans:
        if last <= at or first >= end:
            continue
        kept.append(whole[at : max(at, first)])
        if first >= begin:
            kept.append(DOTS.encode())
        at = min(last, end)
    kept.append(whole[at:end])
    return b"".join(kept)
