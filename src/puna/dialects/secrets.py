"""What of a request nobody may see, and texts without it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from puna.dialects.base import ReadContext, Target
from puna.types.model_request import ModelRequest
from puna.wire.http import shown_headers

_SENSITIVE_HEADERS = frozenset(
    (
        "api-key",
        "authorization",
        "cookie",
        "proxy-authorization",
        "x-amz-security-token",
        "x-api-key",
        "x-goog-api-key",
        "x-litellm-api-key",
    )
)
_SENSITIVE_WORDS = ("key", "token", "secret", "sig")
_SHORTEST = 8
"""A shorter text is a dummy for a local server: taking it out would riddle an error with dots."""


def scrub(text: str, context: ReadContext[ModelRequest]) -> str:
    """Text without the secrets of the request: some hosts repeat them in their errors.

    Scrub before cutting: half a key must not be left either.
    """
    for secret in _secrets(context.target, context.request.headers):
        for form in _forms(secret):
            text = text.replace(form, "•••")
    return text


def secret_forms(target: Target) -> frozenset[str]:
    """Every form in which a host could repeat what is secret about it, without a caller's own."""
    return frozenset(form for secret in _secrets(target, {}) for form in _forms(secret))


def without_credentials(headers: Mapping[str, str]) -> dict[str, str]:
    """Request headers without those that let somebody in."""
    return {name: value for name, value in headers.items() if name not in _SENSITIVE_HEADERS}


def scrub_headers(headers: Mapping[str, str], context: ReadContext[ModelRequest]) -> dict[str, str]:
    """A reply's headers as reports and errors may carry them."""
    shown = shown_headers(headers)
    together = "\n".join(shown.values())
    if scrub(together, context) == together:
        return shown
    return {name: scrub(value, context) for name, value in shown.items()}


def _forms(secret: str) -> tuple[str, str, str]:
    return secret, json.dumps(secret)[1:-1], secret.replace("/", "\\/")


def _secrets(target: Target, extra_headers: Mapping[str, str]) -> Iterator[str]:
    """The key, what authorization-like headers hold, and what the query calls a key."""
    signing = target.signing
    signs = (
        (signing.secret_access_key, signing.session_token, signing.access_key_id)
        if signing is not None
        else ()
    )
    for secret in (target.api_key, target.basic_auth, *signs):
        if secret is not None and len(secret.reveal()) >= _SHORTEST:
            yield secret.reveal()
    for headers in (target.headers, extra_headers):
        yield from _header_secrets(headers)
    for name, value in target.query.items():
        if any(word in name.lower() for word in _SENSITIVE_WORDS) and len(value) >= _SHORTEST:
            yield value


def _header_secrets(headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        if name not in _SENSITIVE_HEADERS or len(value) < _SHORTEST:
            continue
        yield value
        bare = value.partition(" ")[2].strip()  # without the scheme, such as `Bearer`
        if len(bare) >= _SHORTEST:
            yield bare
