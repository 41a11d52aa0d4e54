"""The protocol of a meter, which counts calls by their reports and never gets a text.

A hook (`events.py`) is an extension of users, and may look at texts. A meter is for accounting: it
is called synchronously, once, at the settlement of each call.
"""

from __future__ import annotations

from typing import Protocol

from puna.telemetry.events import Outcome
from puna.types.report import CallReport


class Meter(Protocol):
    """Counts calls. Its method must return at once, because the answer waits for it."""

    def note(self, report: CallReport, outcome: Outcome) -> None:
        """Count a call that has ended. Called once for each call, with its complete report."""
        ...
