"""Removes secrets from what is written to a cassette. Their forms are in `wire/masking.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from puna.wire.http import HTTPRequest
from puna.wire.masking import (
    DOTS,
    Masker,
    cut_spans,
    header_secrets,
    is_sensitive_header,
    is_sensitive_query,
    pair_secrets,
)

_FRAMING = frozenset(
    ("connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding")
)


class Scrubber:
    """Collects the secrets of requests, and replaces them in texts with dots."""

    def __init__(self) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._masker = Masker(())

    @property
    def secret_count(self) -> int:
        """How many secrets were collected."""
        return len(self._secrets)

    def learn(self, request: HTTPRequest) -> None:
        """Collect the secrets in a request's headers and URL."""
        found = frozenset(filter(None, _secrets_of(request)))
        if not found <= self._secrets:
            self._secrets |= found
            self._masker = Masker(self._secrets)

    def scrub(self, data: bytes) -> bytes:
        """The bytes with dots in place of secrets."""
        return self._masker.mask(data)

    def scrub_text(self, text: str) -> str:
        """The text with dots in place of secrets."""
        return self._masker.mask_text(text)

    def scrub_pieces(self, pieces: Sequence[bytes]) -> list[bytes]:
        """The same number of pieces without secrets.

        A secret that spans several pieces is replaced in the one where it begins.
        """
        whole = b"".join(pieces)
        spans = self._masker.spans(whole)
        cleaned: list[bytes] = []
        begin = 0
        for piece in pieces:
            end = begin + len(piece)
            cleaned.append(cut_spans(whole, begin, end, spans))
            begin = end
        return cleaned

    def scrub_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """A reply's headers without cookies, keys and framing headers."""
        return {
            name: self.scrub_text(value)
            for name, value in headers.items()
            if name not in _FRAMING and not is_sensitive_header(name)
        }

    def scrub_url(self, url: str) -> str:
        """A URL without user, password and the values of query parameters that hold credentials."""
        try:
            parts = urlsplit(url)
        except ValueError:  # brackets that do not match
            return self.scrub_text(url.partition("?")[0])
        query = "&".join(
            f"{quote(name)}={DOTS if is_sensitive_query(name) else quote(value)}"
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        )
        host = parts.netloc.rpartition("@")[2]
        return self.scrub_text(urlunsplit((parts.scheme, host, parts.path, query, "")))


def _secrets_of(request: HTTPRequest) -> Iterator[str]:
    """The secrets in a request's headers and URL."""
    for name, value in request.headers.items():
        if is_sensitive_header(name):
            yield from header_secrets(name, value)
    try:
        parts = urlsplit(request.url)
    except ValueError:
        return
    for name, value in parse_qsl(parts.query):
        if is_sensitive_query(name):
            yield value
    user, _, _ = parts.netloc.rpartition("@")
    yield from pair_secrets(unquote(user))
