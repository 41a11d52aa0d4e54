"""AWS Signature Version 4: signs a request for a given time.

Source: AWS IAM User Guide, "Create a signed AWS API request", read 2026-11-26. Checked against the
vectors of AWS's own signing library (aws-c-auth, `tests/aws-signing-test-suite/v4`).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import sha256
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from puna.types.secret import Secret
from puna.wire.http import HTTPRequest

SCHEME = "AWS4-HMAC-SHA256"
_END = "aws4_request"
_UNRESERVED = "-_.~"
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
_PORTS = {"http": 80, "https": 443}
_ON_THE_WAY = frozenset(
    (
        *("accept-encoding", "authorization", "connection", "content-length", "expect"),
        *("transfer-encoding", "user-agent", "x-amzn-trace-id"),
    )
)
"""Headers that a transport or a proxy may write anew: they are not signed."""


@dataclass(frozen=True, slots=True)
class Signing:
    """The credentials that sign a request, and the scope of the signature.

    Attributes:
        access_key_id: names the key; it is sent with every signed request.
        secret_access_key: the key that signs; it is never sent.
        session_token: sent with credentials that are valid for a session only.
        region, service: the scope that the signature is valid for.
    """

    access_key_id: Secret
    secret_access_key: Secret
    region: str
    service: str
    session_token: Secret | None = None


def sign(request: HTTPRequest, signing: Signing, now: float) -> HTTPRequest:
    """Sign a request: a copy with `authorization`, `x-amz-date` and, for a session, its token.

    `now` is Unix time in seconds. AWS accepts a signature for five minutes, so every attempt is
    signed anew. A request with its own `authorization` header stays as it is.
    """
    if request.headers.get("authorization"):
        return request
    stamp = _format_time(now)
    headers = {**request.headers, "x-amz-date": stamp}
    if signing.session_token is not None:
        headers["x-amz-security-token"] = signing.session_token.reveal()
    parts = urlsplit(request.url)
    signed = {
        "host": _authority(parts),
        **{name: value for name, value in headers.items() if name not in _ON_THE_WAY},
    }
    names = ";".join(sorted(signed))
    scope = f"{stamp[:8]}/{signing.region}/{signing.service}/{_END}"
    canonical = _canonical_request(request.method, parts, signed, names, request.body)
    digest = sha256(canonical.encode()).hexdigest()
    to_sign = f"{SCHEME}\n{stamp}\n{scope}\n{digest}"
    signature = _hmac(_signing_key(signing, stamp[:8]), to_sign).hex()
    headers["authorization"] = (
        f"{SCHEME} Credential={signing.access_key_id.reveal()}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return request.to(request.url, headers)


def _format_time(now: float) -> str:
    """The time as `20150830T123600Z`, computed without reading a clock."""
    _, day, month, year, clock, _ = formatdate(now, usegmt=True).split()
    return f"{year}{_MONTHS.index(month) // 3 + 1:02}{day}T{clock.replace(':', '')}Z"


def _canonical_request(
    method: str, parts: SplitResult, signed: Mapping[str, str], names: str, body: bytes
) -> str:
    """The canonical request, which the signature covers."""
    # The path is encoded once more than it is sent, for every service but S3.
    path = quote(parts.path or "/", safe="/" + _UNRESERVED)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = "&".join(
        f"{name}={value}"
        for name, value in sorted(
            (quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED)) for name, value in pairs
        )
    )
    lines = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in sorted(signed))
    return f"{method}\n{path}\n{query}\n{lines}\n{names}\n{sha256(body).hexdigest()}"


def _authority(parts: SplitResult) -> str:
    """The value of the `host` header that the transport sends."""
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = parts.port
    return host if port is None or port == _PORTS.get(parts.scheme) else f"{host}:{port}"


def _signing_key(signing: Signing, day: str) -> bytes:
    """The signing key for a day."""
    key = b"AWS4" + signing.secret_access_key.reveal().encode()
    for part in (day, signing.region, signing.service, _END):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    """The HMAC-SHA256 of a text."""
    return hmac.new(key, text.encode(), sha256).digest()
