"""No form of a secret is left; what is no secret stays to the byte."""

from __future__ import annotations

import json
from base64 import b32encode, b64encode, urlsafe_b64encode
from collections.abc import Callable
from html import escape
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.gateway.answers.replies import report_headers
from puna.types.report import CallReport
from puna.wire.decoded_views import View, decoded_views, plain_view, unescaped_views
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


KEY = "sk-canary-4f1b9c-Zq7+Rt/81"
KEYS = st.text(
    st.sampled_from("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+/=~ "),
    min_size=20,
    max_size=64,
).filter(lambda key: len(key.strip()) == len(key))
CODINGS: dict[str, Callable[[str], str]] = {
    **ESCAPES,
    "twice a path": lambda text: quote(quote(text, safe=""), safe=""),
    "every letter percent": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "HTML": escape,
    "HTML numbers": lambda text: "".join(f"&#{ord(one)};" for one in text),
    "HTML hex": lambda text: "".join(f"&#x{ord(one):X};" for one in text),
    "JavaScript": lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "base32": lambda text: b32encode(text.encode()).decode(),
    "base32 within": lambda text: b32encode(f"me:{text}!".encode()).decode().lower(),
    "base64": lambda text: b64encode(text.encode()).decode(),
    "base64 of URLs": lambda text: urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 at 1": lambda text: b64encode(f"a{text}".encode()).decode(),
    "base64 at 2": lambda text: urlsafe_b64encode(f"ab{text}zzz".encode()).decode(),
    "small": str.lower,
    "LARGE": str.upper,
}
LOSSY = ("small", "LARGE")


def is_readable(masked: str, secret: str) -> bool:
    """Whether the text is still there: the dots stand for none of it."""
    return secret in masked or DOTS not in masked


@pytest.mark.case(37)
@given(
    secret=KEYS,
    codings=st.lists(st.sampled_from(sorted(set(CODINGS) - set(LOSSY))), min_size=1, max_size=3),
    fold=st.sampled_from([*LOSSY, "as it is"]),
    cut=st.integers(12, 64),
    before=st.sampled_from(["", "You sent ", '{"key": "', "https://host/?k=", "key="]),
)
def test_a_secret_is_masked_in_codes_upon_codes(
    secret: str, codings: list[str], fold: str, cut: int, before: str
) -> None:
    form = CODINGS[fold](secret[:cut])
    for one in codings:
        form = CODINGS[one](form)
    masked = Masker([secret]).mask_text(f"{before}{form} .")
    assert DOTS in masked, (form, masked)
    assert masked.startswith(before[:-1])
    assert form not in masked


@pytest.mark.parametrize("coding", sorted(CODINGS))
@pytest.mark.parametrize("length", [12, 13, 18, len(KEY)])
def test_twelve_characters_of_a_key_are_too_many_in_every_code(coding: str, length: int) -> None:
    form = CODINGS[coding](KEY[:length])
    masked = Masker([KEY]).mask_text(f"<{form}>")
    assert DOTS in masked
    # Of codes whose characters tell of two bytes each, one character may stay at either end.
    left = masked.replace(DOTS, "").strip("<>")
    assert len(left) <= 16
    assert not any(KEY[at : at + 4] in left for at in range(len(KEY) - 4))


@pytest.mark.parametrize("coding", sorted(CODINGS))
def test_eleven_characters_of_a_key_may_stay(coding: str) -> None:
    form = CODINGS[coding](KEY[:11])
    assert Masker([KEY]).mask_text(f"<{form}>") == f"<{form}>"


@given(
    before=st.text(st.sampled_from("abcXYZ019+/-_"), max_size=9),
    behind=st.text(st.sampled_from("abcXYZ019+/-_"), max_size=9),
    depth=st.integers(1, 3),
)
def test_nested_base64_is_found_wherever_it_begins(before: str, behind: str, depth: int) -> None:
    text = KEY
    for _ in range(depth):
        text = b64encode(f"{before}{text}{behind}".encode()).decode()
    assert DOTS in Masker([KEY]).mask_text(text)


@given(data=st.binary(max_size=200), secret=st.text(min_size=8, max_size=30))
def test_no_bytes_make_it_fail(data: bytes, secret: str) -> None:
    masker = Masker([secret])
    last = 0
    for begin, end in masker.spans(data):
        assert last <= begin < end <= len(data)
        last = end


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
