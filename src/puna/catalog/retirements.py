"""The dates on which hosts shut models down, from `retirements.json` with sources and dates.

A date is the day on which the host ends, or ended, the model for everybody. It says nothing about
the model at other hosts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Retirement:
    """The shutdown of one model, or of all that match a pattern, at one host.

    Attributes:
        pattern: the model's id there; a `*` matches any text.
        ends_on: an ISO date.
        source, as_of: where the date comes from, and the ISO date on which that was read.
        instead: what to use, as a clause.
        notes: where sources disagree.
    """

    pattern: str
    ends_on: str
    source: str
    as_of: str
    instead: str
    notes: str = ""

    def describe(self, provider: str, model: str) -> str:
        """The shutdown as a sentence that is true before and after the day."""
        return (
            f"The day on which {provider} ends `{model}` is {self.ends_on} ({self.source}, read "
            f"{self.as_of}): {self.instead}."
        )


def find_retirement(provider: str, model: str) -> Retirement | None:
    """The shutdown of a model at a provider, by the first matching pattern.

    None where none is known.
    """
    known = _retirements().get(provider)
    if known is None:
        return None
    from fnmatch import fnmatchcase

    return next((one for one in known if fnmatchcase(model, one.pattern)), None)


def list_retirements(provider: str) -> tuple[Retirement, ...]:
    """All known shutdowns at a provider, in the order of the file."""
    return _retirements().get(provider, ())


@cache
def _retirements() -> Mapping[str, tuple[Retirement, ...]]:
    """Provider -> its retirements, read once from the package's data file."""
    import json
    from importlib.resources import files

    page = json.loads(files("puna.catalog").joinpath("retirements.json").read_text("utf-8"))
    return {
        provider: tuple(Retirement(**entry) for entry in entries)
        for provider, entries in page.items()
    }
