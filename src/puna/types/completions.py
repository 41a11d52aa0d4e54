"""Text completions as the OpenAI API shapes them (the legacy `/completions` endpoint)."""

from __future__ import annotations

from typing import Any

from pydantic import PrivateAttr

from puna.types.common import Usage, WireModel
from puna.types.report import CallReport


class TextChoice(WireModel):
    """One continuation, or a piece of one in a stream."""

    text: str = ""
    index: int = 0
    logprobs: Any = None
    finish_reason: str | None = None


class TextCompletion(WireModel):
    """A whole text completion, or one chunk of a streamed one: they have the same shape."""

    id: str
    object: str = "text_completion"
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage | None = None
    system_fingerprint: str | None = None

    _report: CallReport | None = PrivateAttr(default=None)

    @property
    def report(self) -> CallReport | None:
        """How the call went, or None for a value that did not come from a call."""
        return self._report

    def with_report(self, report: CallReport | None) -> TextCompletion:
        """This answer, carrying `report`."""
        self._report = report
        return self
