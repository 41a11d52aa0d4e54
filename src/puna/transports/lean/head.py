"""Request heads: checked strictly, and built once for each deployment.

A head that a host might read as two requests (request smuggling) is refused before a byte is
written: control characters in the target or in a header, and framing headers of the caller.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlsplit

from puna.version import __version__
from puna.wire.http import HTTPRequest

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_URL = re.compile(r"[^\x00-\x20\x7f]+")
_HOST = re.compile(r"[A-Za-z0-9._~-]+|[0-9A-Fa-f:.]+")
_PORTS = {"http": 80, "https": 443}

# An answer of a model is small and its stream must not wait in a compressor: we ask for it as it
# is, and read what comes compressed all the same.
_DEFAULTS = {
    "accept": "*/*",
    "accept-encoding": "identity",
    "user-agent": f"puna/{__version__}",
}
_NOT_THE_CALLERS = frozenset(
    (
        *("connection", "expect", "keep-alive", "proxy-connection", "te"),
        *("trailer", "transfer-encoding", "upgrade"),
    )
)
_METHODS_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))
_MAX_HEADS = 512


class Origin(NamedTuple):
    """The scheme, host and port that a connection leads to."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Head:
    """A checked request head without its last lines.

    Attributes:
        origin: where the request goes.
        start: all lines that do not depend on the body.
        always_sends_length: whether an empty body gets a `content-length`, too.
        given_length: the `content-length` that the caller gave, or None.
        has_no_reply_body: whether it is a HEAD request.
    """

    origin: Origin
    start: bytes = field(repr=False)
    always_sends_length: bool
    given_length: str | None
    has_no_reply_body: bool

    def to_bytes(self, body: bytes) -> bytes:
        """The complete head of a request with this body, with the blank line.

        Raises:
            ValueError: the caller gave another `content-length`.
        """
        if self.given_length is not None and self.given_length != str(len(body)):
            raise ValueError(
                f"the header `content-length` says `{self.given_length}` and the body has "
                f"{len(body)} bytes; leave the header out"
            )
        if body or self.always_sends_length:
            return b"%bcontent-length: %d\r\n\r\n" % (self.start, len(body))
        return self.start + b"\r\n"


class HeadCache:
    """A bounded cache of built request heads: a deployment sends the same headers each time."""

    def __init__(self) -> None:
        self._heads: dict[tuple[object, ...], Head] = {}

    def get(self, request: HTTPRequest) -> Head:
        """The head of a request, from the cache or newly built.

        Raises:
            ValueError: its URL, method or headers cannot be sent.
        """
        key = (request.method, request.url, *request.headers.items())
        head = self._heads.get(key)
        if head is None:
            head = build_head(request)
            if len(self._heads) >= _MAX_HEADS:
                self._heads.clear()
            self._heads[key] = head
        return head


def build_head(request: HTTPRequest) -> Head:
    """Check a request's URL, method and headers, and encode them.

    Raises:
        ValueError: one of them cannot be sent.
    """
    method = request.method
    if not _TOKEN.fullmatch(method) or method == "CONNECT":
        raise ValueError(f"`{method!r:.40}` is no method")
    parts = _split(request.url)
    origin = _origin(parts)
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    authority = host if origin.port == _PORTS[origin.scheme] else f"{host}:{origin.port}"
    headers = _check_headers(request.headers, authority)
    if parts.username is not None:
        headers.setdefault("authorization", _basic_auth(parts))
    given_length = headers.pop("content-length", None)
    lines = [
        f"{method} {_request_target(parts)} HTTP/1.1",
        f"host: {authority}",
        *(f"{name}: {value}" for name, value in {**_DEFAULTS, **headers}.items()),
        "",
    ]
    return Head(
        origin=origin,
        start="\r\n".join(lines).encode("latin-1"),
        always_sends_length=method in _METHODS_WITH_BODY,
        given_length=given_length,
        has_no_reply_body=method == "HEAD",
    )


def _split(url: str) -> SplitResult:
    """Parse a URL.

    Raises ValueError for spaces, control characters, or another scheme than HTTP's.
    """
    # `urlsplit` takes control characters out in silence: a URL that holds any is refused first.
    if not _URL.fullmatch(url):
        raise ValueError("the URL holds a space or a control character")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError(f"the scheme `{parts.scheme}` is neither `http` nor `https`")
    return parts


def _origin(parts: SplitResult) -> Origin:
    """The origin of a URL."""
    host = parts.hostname or ""
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    elif ".." in host or host.startswith("."):
        raise ValueError(f"`{host}` is no host name")
    if not _HOST.fullmatch(host):
        raise ValueError(f"`{host}` is no host name")
    port = parts.port
    return Origin(parts.scheme, host, _PORTS[parts.scheme] if port is None else port)


def _request_target(parts: SplitResult) -> str:
    """The request target: path and query."""
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    return target if target.isascii() else quote(target, safe="%!\"#$&'()*+,/:;<=>?@[\\]^`{|}~")


def _check_headers(given: Mapping[str, str], authority: str) -> dict[str, str]:
    """Check the caller's headers; those that this transport writes itself are left out."""
    headers: dict[str, str] = {}
    for name, value in given.items():
        lower = name.lower()
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"`{name!r:.40}` is no header name")
        if not _VALUE.fullmatch(value):  # the value may be a key: it is not shown
            raise ValueError(f"the header `{lower}` holds a character that no header may hold")
        if lower == "host" and value.lower() == authority:
            continue
        if lower == "connection" and value.lower() == "keep-alive":
            continue
        if lower == "host" or lower in _NOT_THE_CALLERS:
            raise ValueError(f"the header `{lower}` is the transport's own; leave it out")
        if lower in headers:
            raise ValueError(f"the header `{lower}` is given twice")
        headers[lower] = value
    return headers


def _basic_auth(parts: SplitResult) -> str:
    """The `authorization` header for the user and password in a URL, as httpx2 makes it."""
    user, password = (unquote_to_bytes(part or "") for part in (parts.username, parts.password))
    return "Basic " + b64encode(user + b":" + password).decode("ascii")
