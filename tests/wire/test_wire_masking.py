"""No form of a secret is left; what is no secret stays to the byte."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.wire.masking import DOTS, Masker, header_secrets, is_sensitive_header, pair_secrets

SECRETS = st.text(st.characters(max_codepoint=0x2FFF, exclude_categories=["Cs", "Cc"]), min_size=8)
AROUND = st.text(st.sampled_from('ab+/= -_%\\"ü{}'), max_size=7)

ESCAPES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "JSON of PHP": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "a path": lambda text: quote(text, safe=""),
    "a query": quote_plus,
}
CODES: dict[str, Callable[[bytes], bytes]] = {"usual": b64encode, "URL": urlsafe_b64encode}


@pytest.mark.case(37)
@given(secret=SECRETS, before=AROUND, behind=AROUND, how=st.sampled_from(sorted(ESCAPES)))
def test_a_secret_is_masked_however_it_is_escaped(
    secret: str, before: str, behind: str, how: str
) -> None:
    form = ESCAPES[how](secret)
    masked = Masker([secret]).mask_text(f"{before}<{form}>{behind}")
    assert form not in masked
    assert secret not in masked
    assert DOTS in masked


@pytest.mark.case(37)
@given(
    secret=SECRETS,
    before=st.binary(max_size=7),
    behind=st.binary(max_size=7),
    code=st.sampled_from(sorted(CODES)),
    how=st.sampled_from(sorted(ESCAPES)),
)
def test_a_secret_is_masked_within_base64(
    secret: str, before: bytes, behind: bytes, code: str, how: str
) -> None:
    form = ESCAPES[how](CODES[code](before + secret.encode() + behind).decode())
    masked = Masker([secret]).mask_text(f"You sent {form}.")
    kept = masked.removeprefix("You sent ").removesuffix(".")
    assert DOTS in kept
    # What is left tells of what stood around the secret: four characters for three bytes.
    escaped = 3 if how != "as it is" else 1
    assert len(kept) - len(DOTS) <= escaped * (2 * len(CODES[code](bytes(9))) + 2)
    assert CODES[code](secret.encode()).decode().rstrip("=")[1:-1] not in masked


@given(text=st.text(max_size=80), secret=SECRETS)
def test_a_text_without_secrets_stays(text: str, secret: str) -> None:
    encoded = text.encode("utf-8", "surrogatepass")
    masker = Masker([secret])
    if not masker.spans(encoded):
        assert masker.mask_text(text) == text
    assert Masker(()).mask_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "sk-canary-4f1",
        '{"said": "a\\u00e9\\/b"}',
        "100 % of 50%25",
        b64encode(b"sk-another-4f1b9c").decode(),
        "",
    ],
)
def test_other_texts_are_looked_at_and_left(text: str) -> None:
    assert Masker(["sk-canary-4f1b9c"]).mask_text(text) == text


def test_a_short_text_is_no_secret() -> None:
    assert Masker(["dummy"]).mask_text("dummy") == "dummy"


def test_the_longer_of_two_secrets_goes_first() -> None:
    masker = Masker(["sk-canary", "sk-canary-4f1b9c"])
    assert masker.mask_text("<sk-canary-4f1b9c> <sk-canary>") == f"<{DOTS}> <{DOTS}>"


def test_a_secret_in_a_header_of_latin_letters_is_seen() -> None:
    masker = Masker(["geheim-ü-geheim"])
    assert masker.may_be_in("x-said: geheim-ü-geheim".encode("latin-1"))
    assert masker.mask("geheim-ü-geheim".encode("latin-1")) == DOTS.encode()


def test_secrets_of_headers_are_found() -> None:
    basic = b64encode(b"me:canary").decode()
    assert set(header_secrets("authorization", f"Basic {basic}")) == {
        f"Basic {basic}",
        basic,
        "me:canary",
        "canary",
    }
    assert set(header_secrets("authorization", "Basic é")) == {"Basic é", "é"}
    assert set(header_secrets("cookie", "a=b; c=d")) == {"a=b; c=d", "b", "d"}
    assert list(header_secrets("x-api-key", "k")) == ["k"]
    assert list(pair_secrets("me")) == ["me", ""]
    assert [
        name
        for name in ("x-api-key", "content-type", "cf-aig-authorization")
        if is_sensitive_header(name)
    ] == [
        "x-api-key",
        "cf-aig-authorization",
    ]
