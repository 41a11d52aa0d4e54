"""Checks token counts and other numbers that hosts report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

MOST_TOKENS: Final = 2**53
"""No host has counted more: such a count is a mistake, and not every reader of JSON can hold it."""


def is_number(value: Any) -> bool:
    """Whether a value is a JSON number, and not a boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_finite_number(value: Any) -> bool:
    """Whether a value is a JSON number that a float can hold, and neither infinite nor NaN."""
    try:
        return is_number(value) and math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def read_count(value: Any) -> int | None:
    """A number as an int from 0 to `MOST_TOKENS`; None for anything else."""
    if not is_number(value) or not 0 <= value <= MOST_TOKENS:  # no NaN is, either
        return None
    return int(value)


def read_counts(fields: Mapping[str, Any], names: Sequence[str]) -> list[int | None]:
    """The fields with these names, each as a count or None.

    Where one is absurdly large, all are None, because the others cannot be trusted either.
    """
    counts = [read_count(fields.get(name)) for name in names]
    if any(
        count is None and is_number(fields.get(name))
        for name, count in zip(names, counts, strict=True)
    ):
        return [None] * len(names)
    return counts
