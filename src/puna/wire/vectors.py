"""Vectors as base64 of little-endian float32, the form that OpenAI's clients ask for.

Base64 to numbers is exact: every float32 is a float. Numbers to base64 rounds each to the nearest
float32, so it is exact for what was a float32 before.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from math import isfinite
from struct import error as StructError  # noqa: N812 - it is a class
from struct import pack, unpack

_BYTES = 4


def encode_vector(numbers: Sequence[float]) -> str:
    """Serialize numbers as base64. Raises ValueError for a number that is no float32."""
    try:
        packed = pack(f"<{len(numbers)}f", *numbers)
    except (OverflowError, StructError) as error:
        raise ValueError(f"a vector holds something that is no float32: {error}") from error
    check_finite(numbers)
    return b64encode(packed).decode()


def decode_vector(text: str) -> list[float]:
    """Parse base64. Raises ValueError for invalid text, or numbers that are not finite."""
    packed = b64decode(text, validate=True)
    if not packed or len(packed) % _BYTES:
        raise ValueError(f"`{len(packed)}` bytes of base64 are no float32 numbers")
    numbers = list(unpack(f"<{len(packed) // _BYTES}f", packed))
    check_finite(numbers)
    return numbers


def check_finite(numbers: Sequence[float]) -> None:
    """Raise ValueError for a vector that holds NaN, an infinity, or something but numbers."""
    try:
        is_finite = all(map(isfinite, numbers))
    except (OverflowError, TypeError) as error:
        raise ValueError(f"a vector holds something that is no number: {error}") from error
    if not is_finite:
        raise ValueError("a vector holds something that is not finite")
