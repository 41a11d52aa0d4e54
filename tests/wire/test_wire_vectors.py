"""Vectors as base64 and back."""

from __future__ import annotations

import struct
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.wire.vectors import decode_vector, encode_vector

singles = st.lists(
    st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=64
)
doubles = st.lists(st.floats(-3e38, 3e38), min_size=1, max_size=64)


@given(singles)
def test_float32_numbers_come_back_exactly(numbers: list[float]) -> None:
    assert decode_vector(encode_vector(numbers)) == numbers


@given(singles)
def test_base64_comes_back_exactly(numbers: list[float]) -> None:
    text = b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
    assert encode_vector(decode_vector(text)) == text


@given(doubles)
def test_other_numbers_become_the_nearest_float32(numbers: list[float]) -> None:
    back = decode_vector(encode_vector(numbers))
    assert back == [struct.unpack("<f", struct.pack("<f", number))[0] for number in numbers]
    assert encode_vector(back) == encode_vector(numbers)


def test_the_bytes_are_little_endian() -> None:
    assert encode_vector([1.0, -2.0]) == b64encode(b"\0\0\x80\x3f\0\0\0\xc0").decode()


@pytest.mark.parametrize("text", ["", "AAA", "AAAA", "no base64!", "AACAfw==", "AADAfw==", "é"])
def test_what_is_no_vector_cannot_be_decoded(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - base64's own errors are ValueErrors too
        decode_vector(text)


@pytest.mark.parametrize("numbers", [[1e39], [float("nan")], [float("inf")], ["1"], [None]])
def test_what_no_float32_can_be_is_not_encoded(numbers: list[float]) -> None:
    with pytest.raises(ValueError, match="a vector holds"):
        encode_vector(numbers)
