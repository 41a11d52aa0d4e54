"""Adds up the usage of several answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from puna.types.common import Usage
from puna.types.counts import is_number


def sum_usages(first: Usage, second: Usage) -> Usage:
    """The sum of two usages: all counts are added, those in the details too."""
    return Usage.model_validate(_add_counts(first.to_dict(), second.to_dict()))


def _add_counts(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Add the counts of two mappings, nested ones too; other values are the second's."""
    total = dict(first)
    for name, value in second.items():
        known = total.get(name)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            total[name] = _add_counts(
                cast("Mapping[str, Any]", known), cast("Mapping[str, Any]", value)
            )
        elif is_number(known) and is_number(value):
            total[name] = known + value
        elif value is not None:
            total[name] = value
    return total
