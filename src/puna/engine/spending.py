"""Adds up what several answers of one call used, where one that does not fit is asked again."""

from __future__ import annotations

from dataclasses import dataclass

from puna.types.common import Usage
from puna.types.report import CallReport


@dataclass(frozen=True, slots=True)
class Spending:
    """The tokens and the cost of a call's answers so far; a cost of None is unknown."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_creation_tokens: int
    cost_picos: int | None
    is_estimated: bool
    usage: Usage

    @classmethod
    def of(cls, report: CallReport, usage: Usage) -> Spending:
        """The sum up to now: the cost in the report, and `usage`, which sums all answers."""
        return cls(
            prompt_tokens=report.prompt_tokens,
            completion_tokens=report.completion_tokens,
            cached_tokens=report.cached_tokens,
            cache_creation_tokens=report.cache_creation_tokens,
            cost_picos=report.cost_picos,
            is_estimated=report.is_usage_estimated,
            usage=usage,
        )

    def add_to(self, report: CallReport, cost_picos: int | None) -> None:
        """Add the sum to a report on one more answer, which cost `cost_picos`.

        A cost that is unknown for one is unknown for all.
        """
        report.prompt_tokens += self.prompt_tokens
        report.completion_tokens += self.completion_tokens
        report.cached_tokens += self.cached_tokens
        report.cache_creation_tokens += self.cache_creation_tokens
        report.is_usage_estimated = report.is_usage_estimated or self.is_estimated
        if self.is_estimated and report.usage_certainty == "exact":
            report.usage_certainty = "unknown"
        is_known = self.cost_picos is not None and cost_picos is not None
        report.cost_picos = (self.cost_picos or 0) + (cost_picos or 0) if is_known else None
