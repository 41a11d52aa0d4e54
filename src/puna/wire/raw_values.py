"""Whether a JSON value that stays undecoded (`msgspec.Raw`) can be parsed later without error."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import MsgspecError, Raw
from msgspec.json import decode

from puna.wire.json_size import nesting_depth
from puna.wire.octets import count_brackets, first_octet

_MOST_DEPTH = 180
"""A raw value that is nested so deeply is refused: parsers have a limit of about 200."""

_DEEP_BYTES = 2 * _MOST_DEPTH
"""A shorter value cannot be nested so deeply."""

_DIGITS = bytes(
    0x30
    if octet in b"0123456789."
    else octet
    if octet in b"e+"
    else 0x65
    if octet in b"E"
    else 0x20
    for octet in range(256)
)
"""Translates digits and `.` to 0, `E` to `e`, keeps `e` and `+`; other bytes become spaces."""
_EXPONENTS = (b"0e000", b"0e+000")
_OPENER = 0x7B  # {
_LONG_NUMBER = b"0" * 300
"""So translated, a number too large for a float holds this or one of `_EXPONENTS`. Python parses
such a number as infinity: `1e999`."""


def is_parseable(value: Raw, opener: bytes) -> bool:
    """Whether a raw value begins with the bracket `opener` and can be parsed later without error.

    It can be where it is not nested too deeply and holds no number too large for a float.
    """
    data = bytes(value)
    if data[:1] != opener:
        return False
    if (
        len(data) >= _DEEP_BYTES
        and count_brackets(data) >= _MOST_DEPTH
        and nesting_depth(data) >= _MOST_DEPTH
    ):
        return False
    if not _may_hold_large_number(data):
        return True
    if data.translate(_DIGITS).find(_LONG_NUMBER) >= 0:
        return False
    try:
        decode(data)  # digits around an `e` stand in many digests, too
    except MsgspecError:
        return False
    return True


def are_objects(values: Sequence[Raw]) -> bool:
    """Whether all raw values are objects that `is_parseable` accepts.

    Faster than to ask for each: those of a request are nearly always shallow and without numbers.
    """
    if len(values) == 1:
        return is_parseable(values[0], b"{")
    if not is_plain_json(b",".join(values)):
        return all(is_parseable(value, b"{") for value in values)
    return all(first_octet(value)[0] == _OPENER for value in values)


def is_plain_json(data: bytes) -> bool:
    """Whether some JSON is certainly not nested too deeply and holds no number too large.

    It is for JSON that is read by a parser which accepts both. False where that is not sure.
    """
    return count_brackets(data) < _MOST_DEPTH and not _may_hold_large_number(data)


def _may_hold_large_number(data: bytes) -> bool:
    """Whether some JSON may hold a number that is too large for a float."""
    numbers = data.translate(_DIGITS)
    return (
        numbers.find(_EXPONENTS[0]) >= 0
        or numbers.find(_EXPONENTS[1]) >= 0
        or (len(numbers) >= len(_LONG_NUMBER) and numbers.find(_LONG_NUMBER) >= 0)
    )
