"""No secret of a request is left, whatever form it has and however it is cut."""

from __future__ import annotations

import json
from base64 import b64encode
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.transports.scrubbing import Scrubber
from puna.types.secret import Secret
from puna.wire.http import HTTPRequest
from puna.wire.masking import DOTS
from puna.wire.sigv4 import Signing, sign

KEY = 'sk-canary/4f1b+9c"0é='


def scrubber_for(url: str = "http://up.test/v1", **headers: str) -> Scrubber:
    scrubber = Scrubber()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    scrubber.learn(HTTPRequest("POST", url, named))
    return scrubber


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        json.dumps(KEY)[1:-1],
        json.dumps(json.dumps(KEY)[1:-1])[1:-1],
        json.dumps(KEY, ensure_ascii=False)[1:-1].replace("/", "\\/"),
        "".join(f"\\u{ord(char):04X}" for char in KEY),
        quote(KEY, safe=""),
        quote(KEY),
        b64encode(KEY.encode()).decode().rstrip("="),
    ],
)
def test_a_key_is_found_in_every_form(form: str) -> None:
    scrubber = scrubber_for(authorization=f"Bearer {KEY}")
    assert scrubber.scrub_text(f"You said {form}.") == f"You said {DOTS}."


@pytest.mark.parametrize(
    "header",
    ["authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "x-token"],
)
def test_headers_that_let_somebody_in_are_secret(header: str) -> None:
    scrubber = scrubber_for(**{header: "canary-4f1b9c"})
    assert scrubber.scrub(b"canary-4f1b9c canary-4f1b") == f"{DOTS} canary-4f1b".encode()


def test_what_basic_credentials_and_cookies_hold_is_secret() -> None:
    basic = b64encode(b"user:canary-4f1b9c").decode()
    scrubber = scrubber_for(authorization=f"Basic {basic}", cookie="a=b; session=canary-cookie")
    for secret in (basic, "canary-4f1b9c", "canary-cookie"):
        assert scrubber.scrub_text(f"<{secret}>") == f"<{DOTS}>"
    assert scrubber.scrub_text("a=b, user") == "a=b, user"


def test_an_address_keeps_its_path_and_what_of_its_query_opens_nothing() -> None:
    url = "https://me:canary-pass@up.test:8443/v1/canary-key-1/chat?api-version=1&api_key=canary-key-1"
    scrubber = scrubber_for(url)
    assert scrubber.scrub_url(url) == (
        f"https://up.test:8443/v1/{DOTS}/chat?api-version=1&api_key={DOTS}"
    )
    assert scrubber.scrub_text("canary-pass") == DOTS
    assert scrubber.scrub_url("http://[::1/v1?api_key=x") == "http://[::1/v1"


def test_a_url_that_is_none_teaches_nothing() -> None:
    assert scrubber_for("http://[::1/v1?api_key=canary-4f1b").scrub(b"abc") == b"abc"


def test_short_texts_are_dummies_and_stay() -> None:
    assert scrubber_for(authorization="Bearer k").scrub(b"kick") == b"kick"


def test_a_reply_loses_its_cookies_and_framing() -> None:
    scrubber = scrubber_for(authorization="Bearer canary-4f1b9c")
    headers = {
        "content-type": "text/plain",
        "content-length": "3",
        "content-encoding": "gzip",
        "set-cookie": "a=b",
        "x-auth-token": "t",
        "x-ratelimit-remaining-tokens": "9",
        "x-said": "canary-4f1b9c",
    }
    assert scrubber.scrub_headers(headers) == {
        "content-type": "text/plain",
        "x-ratelimit-remaining-tokens": "9",
        "x-said": DOTS,
    }


@given(
    words=st.lists(st.sampled_from(["sk-canary-4f1b", "sk-", "canary", "é", "{}"]), max_size=6),
    cuts=st.lists(st.integers(0, 60), max_size=6),
)
def test_a_secret_that_lies_over_pieces_is_found(words: list[str], cuts: list[int]) -> None:
    scrubber = scrubber_for(authorization="Bearer sk-canary-4f1b")
    whole = " ".join(words).encode()
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(places)]

    cleaned = scrubber.scrub_pieces(pieces)

    assert len(cleaned) == len(pieces)
    assert b"".join(cleaned) == scrubber.scrub(whole)
    assert b"sk-canary-4f1b" not in b"".join(cleaned)


def test_who_signed_a_request_is_secret_and_so_is_the_token_of_a_session() -> None:
    signing = Signing(Secret("AKIACANARY7f3a91"), Secret("unsent"), "us-east-1", "s", Secret(KEY))
    scrubber = Scrubber()
    for second in range(3):
        request = sign(HTTPRequest("POST", "http://up.test/v1", {}, b"{}"), signing, second)
        scrubber.learn(request)
        assert scrubber.scrub_text(request.headers["x-amz-security-token"]) == DOTS
        cleaned = scrubber.scrub_text(request.headers["authorization"])
        assert cleaned.startswith(f"AWS4-HMAC-SHA256 Credential={DOTS}/")
    assert scrubber.secret_count == 2  # signatures are not kept: each request has another
