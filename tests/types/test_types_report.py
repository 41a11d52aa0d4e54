"""Reports of calls that made one answer are one report: nothing is counted twice or lost."""

from __future__ import annotations

from dataclasses import fields

import pytest

from puna.types.report import CallReport, add_reports


def report(cost: int | None = 5, **facts: object) -> CallReport:
    return CallReport("id", cost_picos=cost, **facts)  # type: ignore[arg-type]  # facts by name


def test_a_report_that_begins_reads_as_the_classs_defaults() -> None:
    begun, made = CallReport.begin("id", "m", 7.0), CallReport("id", model="m", started_at=7.0)
    for field in fields(CallReport):
        assert getattr(begun, field.name) == getattr(made, field.name), field.name


def test_tokens_attempts_and_costs_are_summed_and_facts_are_the_firsts() -> None:
    first = report(provider="groq", attempts=2, retries=1, prompt_tokens=3, finish_reason="stop")
    second = report(7, provider="other", attempts=1, prompt_tokens=4, finish_reason="length")
    both = add_reports([first, second])
    assert (both.attempts, both.retries, both.prompt_tokens, both.cost_picos) == (3, 1, 7, 12)
    assert (both.provider, both.finish_reason) == ("groq", "length")


def test_a_cost_that_is_unknown_for_one_is_unknown_for_all() -> None:
    assert add_reports([report(5), report(None)]).cost_picos is None


@pytest.mark.parametrize(
    ("certainties", "least"),
    [
        (("exact", "exact"), "exact"),
        (("exact", "at_least"), "at_least"),
        (("unknown", "at_least", "exact"), "unknown"),
    ],
)
def test_the_sum_is_as_certain_as_its_least_certain_part(
    certainties: tuple[str, ...], least: str
) -> None:
    reports = [report(usage_certainty=one) for one in certainties]
    assert add_reports(reports).usage_certainty == least
    assert not add_reports(reports).is_usage_estimated
    assert add_reports([*reports, report(is_usage_estimated=True)]).is_usage_estimated
