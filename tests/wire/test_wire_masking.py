"""No form of a secret is left; what is no secret stays to the byte."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.masking import ESCAPES

from puna.gateway.answers.replies import report_headers
from puna.types.report import CallReport
from puna.wire.decoded_views import View, decoded_views, plain_view, unescaped_views
from puna.wire.masking import DOTS, Masker, header_secrets, is_sensitive_header, pair_secrets

SECRETS = st.text(st.characters(max_codepoint=0x2FFF, exclude_categories=["Cs", "Cc"]), min_size=8)
AROUND = st.text(st.sampled_from('ab+/= -_%\\"ü{}'), max_size=7)
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
        "sk-canary-4",  # eleven characters of it
        '{"said": "a\\u00e9\\/b"}',
        "100 % of 50%25",
        b64encode(b"sk-another-4f1b9c").decode(),
        "",
    ],
)
def test_other_texts_are_looked_at_and_left(text: str) -> None:
    assert Masker(["sk-canary-4f1b9c"]).mask_text(text) == text


@pytest.mark.parametrize("width", [12, 15, 20])
@pytest.mark.parametrize("end", ["\n", "\r\n", "-\n", "\n    ", " "])
@pytest.mark.parametrize("how", ["as it is", "JSON", "a path"])
def test_a_secret_that_is_wrapped_over_lines_is_masked_to_its_end(
    width: int, end: str, how: str
) -> None:
    secret = "sk-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL"
    lines = [secret[at : at + width] for at in range(0, len(secret), width)]
    masked = Masker([secret]).mask_text(f"key: {ESCAPES[how](end.join(lines))}!")
    assert masked in (f"key: {DOTS}!", f"key: {DOTS}!".replace(" ", "%20"))


@pytest.mark.parametrize("behind", ["\nother words", " 0123", "\n\nsk-", "-", "\n" * 9 + "cdefgh"])
def test_what_follows_half_a_secret_on_another_line_stays(behind: str) -> None:
    secret = "sk-0123456789abcdefghijkl"
    assert Masker([secret]).mask_text(secret[:15] + behind) == DOTS + behind


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


class CountedBytes:
    """How much work a text makes: the bytes of all that it may mean, and of what these may mean."""

    def __init__(self, data: bytes) -> None:
        self.count = 0
        self._look(plain_view(data), 0)

    def _look(self, view: View, depth: int) -> None:
        for form in unescaped_views(view):
            self.count += len(form.data)
            view = form
        if depth < 4:
            for one in decoded_views(view, 12, only_ascii=True):
                self._look(one, depth + 1)


@pytest.mark.parametrize(
    "unit",
    [
        b"A",
        b"4",
        b"%",
        b"%25",
        b"\\",
        b"\\u0041",
        b"&",
        b"&amp;",
        b"&#65;",
        b"QUJD",
        b"k ",
        b"7365",
    ],
)
def test_the_work_grows_with_the_text_and_no_faster(unit: bytes) -> None:
    small, large = CountedBytes(unit * 400), CountedBytes(unit * 4_000)
    assert large.count <= 11 * small.count


@pytest.mark.parametrize(
    ("value", "is_handed_on"),
    [
        ("1000", True),
        ("1764500000000", True),
        ("2026-11-30T11:22:33.123Z", True),
        ("1m30.5s", True),
        ("736b2d63616e6172792d346631623963", False),
        ("1a2b3c4d5e6f", False),
    ],
)
def test_a_limit_of_a_host_has_no_room_for_a_key(value: str, *, is_handed_on: bool) -> None:
    report = CallReport("c", headers={"x-ratelimit-limit-requests": value})
    assert ("x-ratelimit-limit-requests" in report_headers(report)) is is_handed_on
