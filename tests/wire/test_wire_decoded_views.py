"""Secrets in codes upon codes: base64, hex and escapes, wherever they begin."""

from __future__ import annotations

from base64 import b32encode, b64encode, urlsafe_b64encode
from collections.abc import Callable
from html import escape
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.masking import ESCAPES

from puna.wire.masking import DOTS, Masker

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
