"""What counts calls: it hears of each one's report, and never of a text.

A hook (`events.py`) is for what people plug in, and may look at texts. A meter is for the books:
it is called synchronously, at the settlement of each call, so that nothing is counted later or
twice.
"""

from __future__ import annotations

from typing import Protocol

from puna.telemetry.events import Outcome
from puna.types.report import CallReport


class Meter(Protocol):
    """Counts calls. It must return at once: the answer waits for it."""

    def note(self, report: CallReport, outcome: Outcome) -> None:
        """Count a call that has ended; its report is complete. Called once for each call."""
        ...
