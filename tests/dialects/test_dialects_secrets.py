"""Secrets of a request are taken out of what its host says, whatever way they came in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.contexts import KEY, context_for, request_for, target_for

from puna.dialects.secrets import (
    scrub,
    scrub_headers,
    scrub_start,
    secrets_of,
    without_credentials,
)
from puna.types.secret import Secret
from puna.wire.sigv4 import Signing

OTHER = "canary-9876543210"
SIGNING = Signing(Secret("AKIACANARY7391"), Secret(OTHER), "us-east-1", "bedrock", Secret("s" * 16))


@pytest.mark.parametrize(
    "facts",
    [
        {"api_key": Secret(OTHER)},
        {"headers": {"x-api-key": OTHER}},
        {"headers": {"authorization": f"Bearer {OTHER}"}},
        {"query": {"key": OTHER}},
        {"basic_auth": Secret(f"me:{OTHER}")},
        {"signing": SIGNING},
    ],
)
def test_a_secret_of_a_target_is_masked_in_what_its_host_says(facts: dict[str, Any]) -> None:
    context = context_for(target=target_for(**facts))
    assert OTHER not in scrub(f"no such key: {OTHER}.", context)
    assert OTHER not in str(scrub_headers({"x-echo": OTHER, "x-a": "b"}, context))
    assert any(OTHER in secret for secret in secrets_of(context.target))


def test_a_secret_of_the_caller_is_masked_and_is_none_of_the_target() -> None:
    request = replace(request_for(), headers={"x-api-key": OTHER})
    context = context_for(request=request)
    assert OTHER not in scrub(f"bad {OTHER}", context)
    assert OTHER not in secrets_of(context.target)


def test_what_is_no_secret_stays() -> None:
    context = context_for(target=target_for(headers={"x-team": "blue-team-of-ten"}))
    assert scrub("blue-team-of-ten fails", context) == "blue-team-of-ten fails"
    assert scrub_headers({"x-a": "b"}, context) == {"x-a": "b"}


@pytest.mark.parametrize("at", [999_990, 999_999, 1_000_000])
def test_no_half_of_a_key_is_left_where_a_long_body_is_cut(at: int) -> None:
    body = b"x" * at + KEY.encode() + b"y" * 100
    shown = scrub_start(body, context_for())
    assert set(shown) == {"x"}
    assert scrub_start(b"short", context_for()) == "short"


def test_headers_that_hold_credentials_are_left_out() -> None:
    headers = {"authorization": "Bearer x", "x-api-key": "y", "content-type": "text/plain"}
    assert without_credentials(headers) == {"content-type": "text/plain"}
