"""Removes a request's secrets from texts and headers. Their forms are in `wire/masking.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from puna.dialects.base import ReadContext, Target
from puna.types.model_request import ModelRequest
from puna.wire.http import safe_headers
from puna.wire.masking import (
    Masker,
    header_secrets,
    is_sensitive_header,
    is_sensitive_query,
    pair_secrets,
)

_MOST_SCRUBBED = 1_000_000
_LONGEST_SECRET = 65_536


def scrub(text: str, context: ReadContext[ModelRequest]) -> str:
    """The text without the request's secrets, which some hosts repeat in their errors.

    Scrub before cutting a text, so that no half of a key is left.
    """
    return _masker(context).mask_text(text)


def scrub_start(body: bytes, context: ReadContext[ModelRequest]) -> str:
    """The first million bytes of a body as text, without the request's secrets.

    The last bytes before the cut are dropped, too, since a part of a secret could be left there.
    """
    start = scrub(body[:_MOST_SCRUBBED].decode("utf-8", "replace"), context)
    return start if len(body) <= _MOST_SCRUBBED else start[:-_LONGEST_SECRET]


def scrub_headers(headers: Mapping[str, str], context: ReadContext[ModelRequest]) -> dict[str, str]:
    """A reply's headers without secrets, for reports and errors."""
    shown = safe_headers(headers)
    masker = _masker(context)
    values = "\n".join(shown.values()).encode("utf-8", "surrogatepass")
    if not (masker.may_be_in(values) or masker.may_be_encoded_in(values)):
        return shown
    return {name: masker.mask_text(value) for name, value in shown.items()}


def secrets_of(target: Target) -> frozenset[str]:
    """The secrets of a target, without those of a caller."""
    return frozenset(_secrets(target, {}))


def without_credentials(headers: Mapping[str, str]) -> dict[str, str]:
    """Request headers without those that hold credentials."""
    return {name: value for name, value in headers.items() if not is_sensitive_header(name)}


def _masker(context: ReadContext[ModelRequest]) -> Masker:
    """The masker for the secrets of a request."""
    return _masker_of(frozenset(_secrets(context.target, context.request.headers)))


_masker_of = lru_cache(maxsize=256)(Masker)
"""Each reply is asked after the same few secrets."""


def _secrets(target: Target, extra_headers: Mapping[str, str]) -> Iterator[str]:
    """The key, the values of authorization-like headers, and key parameters of the query."""
    signing = target.signing
    signs = (
        (signing.secret_access_key, signing.session_token, signing.access_key_id)
        if signing is not None
        else ()
    )
    for secret in (target.api_key, *signs):
        if secret is not None:
            yield secret.reveal()
    if target.basic_auth is not None:
        yield from pair_secrets(target.basic_auth.reveal())
    for headers in (target.headers, extra_headers):
        for name, value in headers.items():
            if is_sensitive_header(name):
                yield from header_secrets(name, value)
    for name, value in target.query.items():
        if is_sensitive_query(name):
            yield value
