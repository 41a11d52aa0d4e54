"""Headers of passed answers, mostly prepared, are those that the full lane writes."""

from __future__ import annotations

from typing import Any

import pytest

from puna.gateway.answers.replies import encode_headers, event_headers, report_headers
from puna.gateway.passing.heads import (
    stream_lines,
    usual_stream_lines,
    usual_whole_lines,
    whole_lines,
    write_lines,
)
from puna.types.report import CallReport

REPORTS: list[dict[str, Any]] = [
    {},
    {"cost_picos": 1_250_000},
    {"cost_picos": 0},
    {"retries": 1, "cost_picos": 5},
    {"fallbacks": 2},
    {"is_usage_estimated": True},
    {"dropped_params": ("store",)},
    {"headers": {"x-ratelimit-limit-requests": "9"}},
]


def report(facts: dict[str, Any]) -> CallReport:
    return CallReport("id", model="m", deployment_id="d", lane="fast", duration_s=0.25, **facts)


@pytest.mark.parametrize("facts", REPORTS)
def test_a_whole_answer_has_the_headers_of_its_report(facts: dict[str, Any]) -> None:
    told = report(facts)
    lines = whole_lines(usual_whole_lines("m", "d"), told, has_limits="headers" in facts)
    expected = write_lines([(b"content-type", b"application/json")])
    expected += write_lines(encode_headers(report_headers(told)))
    assert sorted(lines.splitlines()) == sorted(expected.splitlines())


@pytest.mark.parametrize("facts", [one for one in REPORTS if "is_usage_estimated" not in one])
def test_a_stream_has_the_headers_that_are_known_at_its_beginning(facts: dict[str, Any]) -> None:
    told = report({**facts, "cost_picos": None})
    told.duration_s = 0.0
    lines = stream_lines(usual_stream_lines("m", "d"), told, has_limits="headers" in facts)
    assert lines == write_lines(event_headers(told))
