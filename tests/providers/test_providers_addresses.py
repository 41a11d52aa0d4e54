"""Addresses of hosts: in every spelling, with what stands in them beside the path."""

from __future__ import annotations

from typing import Any

import pytest

from puna.errors import BadRequestError
from puna.providers.addresses import fill_address, read_base_url
from puna.providers.host_settings import HostSetting
from puna.types.secret import Secret

REGION = HostSetting("region", ("aws_region_name",), ("AWS_REGION",), r"[a-z0-9-]+", "us-east-1")


@pytest.mark.parametrize(
    ("base", "url", "query", "user"),
    [
        ("http://h:8000/v1", "http://h:8000/v1", {}, None),
        (" https://h/v1/ \n", "https://h/v1", {}, None),
        ("http://h/v1/?api-version=1&k=2", "http://h/v1", {"api-version": "1", "k": "2"}, None),
        ("http://me:p%40ss@h/v1", "http://h/v1", {}, "me:p@ss"),
        ("http://[::1]:1/v1", "http://[::1]:1/v1", {}, None),
    ],
)
def test_an_address_is_taken_apart(
    base: str, url: str, query: dict[str, str], user: str | None
) -> None:
    secret = Secret(user) if user else None
    assert read_base_url(base, None) == (url, query, secret)


@pytest.mark.parametrize(
    "base",
    [
        *("", "h:8000", "localhost", "ftp://h", "http://"),
        *("http://h:0", "http://[h", "http://h:x", "http://a b"),
    ],
)
def test_what_is_no_address_is_refused(base: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read_base_url(base, None)
    assert caught.value.param == "api_base"


def test_a_refusal_shows_no_credentials() -> None:
    with pytest.raises(BadRequestError) as caught:
        read_base_url("http://me:sk-canary-123@h:0/v1", None)
    assert "sk-canary-123" not in str(caught.value)


def test_the_providers_own_address_is_taken_as_it_is() -> None:
    own = "https://{region}.h/v1"
    assert read_base_url(f"{own}/", own) == (own, {}, None)


@pytest.mark.parametrize(
    ("given", "environ"),
    [({"aws_region_name": Secret("eu")}, {}), ({}, {"AWS_REGION": "eu"})],
)
def test_settings_stand_in_the_address(given: dict[str, Any], environ: dict[str, str]) -> None:
    assert fill_address("https://{region}.h", (REGION,), given, environ) == "https://eu.h"
    assert fill_address("https://h", (REGION,), {}, {}) == "https://h"


def test_a_setting_that_is_missing_is_named() -> None:
    with pytest.raises(BadRequestError, match="region"):
        fill_address("https://{region}.h", (REGION,), {}, {})
