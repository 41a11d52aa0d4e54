"""When hosts end a model: `retirements.json`, each entry with its source and the day it was read.

A date says on which day the host ends, or ended, the model for everybody. It is a fact about that
host's service and says nothing of the model elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Retirement:
    """The end of one model, or of all that fit a pattern, at one host.

    Attributes:
        pattern: the model's id there; a `*` stands for any text.
        ends_on: an ISO date.
        source, as_of: where the date comes from, and the ISO date at which that was read.
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
        """The end of a model in a describe that is true before and after the day."""
        return (
            f"The day on which {provider} ends `{model}` is {self.ends_on} ({self.source}, read "
            f"{self.as_of}): {self.instead}."
        )


def find_retirement(provider: str, model: str) -> Retirement | None:
    """When a provider ends a model; None where no date is known. The first pattern that fits."""
    known = _retirements().get(provider)
    if known is None:
        return None
    from fnmatch import fnmatchcase

    return next((one for one in known if fnmatchcase(model, one.pattern)), None)


def list_retirements(provider: str) -> tuple[Retirement, ...]:
    """What is known of a provider's ends, in the order of the file."""
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
