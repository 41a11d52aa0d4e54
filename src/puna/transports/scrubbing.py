"""What must not reach a cassette: secrets of requests. In which forms: `wire/masking.py`."""

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
    """Knows the secrets of the requests that it was shown, and takes them out."""

    def __init__(self) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._masker = Masker(())

    @property
    def known(self) -> int:
        """How many secrets it knows."""
        return len(self._secrets)

    def learn(self, request: HTTPRequest) -> None:
        """Note what is secret about a request."""
        found = frozenset(filter(None, _secrets_of(request)))
        if not found <= self._secrets:
            self._secrets |= found
            self._masker = Masker(self._secrets)

    def clean(self, data: bytes) -> bytes:
        """The same without secrets."""
        return self._masker.mask(data)

    def clean_text(self, text: str) -> str:
        """The same without secrets."""
        return self._masker.mask_text(text)

    def clean_pieces(self, pieces: Sequence[bytes]) -> list[bytes]:
        """The same pieces; a secret may lie over several, and its dots are where it began."""
        whole = b"".join(pieces)
        spans = self._masker.spans(whole)
        cleaned: list[bytes] = []
        begin = 0
        for piece in pieces:
            end = begin + len(piece)
            cleaned.append(cut_spans(whole, begin, end, spans))
            begin = end
        return cleaned

    def clean_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """A reply's headers without cookies and keys, and without those about its framing."""
        return {
            name: self.clean_text(value)
            for name, value in headers.items()
            if name not in _FRAMING and not is_sensitive_header(name)
        }

    def clean_url(self, url: str) -> str:
        """An address without user, password and the values of a query that let somebody in."""
        try:
            parts = urlsplit(url)
        except ValueError:  # brackets that do not match
            return self.clean_text(url.partition("?")[0])
        query = "&".join(
            f"{quote(name)}={DOTS if is_sensitive_query(name) else quote(value)}"
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        )
        host = parts.netloc.rpartition("@")[2]
        return self.clean_text(urlunsplit((parts.scheme, host, parts.path, query, "")))


def _secrets_of(request: HTTPRequest) -> Iterator[str]:
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
