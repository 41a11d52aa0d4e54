"""Rows, goals and rounds of a report."""

from __future__ import annotations

import pytest
from benchmarks.report import Row, Section, Settings, as_markdown


def cells(row: Row) -> list[str]:
    """The last row's cells as printed."""
    text = as_markdown(Section("T", "c", "h", [row]))
    return [one.strip() for one in text.strip().splitlines()[-1].strip("|").split("|")]


@pytest.mark.parametrize(
    ("row", "goal", "verdict"),
    [
        (Row("w", 10, 5, goal=10), "≤ 10", "met"),
        (Row("w", 11, 5, goal=10), "≤ 10", "MISSED"),
        (Row("w", 10, 5, ratio_goal=1.5), "ratio ≤ 1.5", "MISSED"),
        (Row("w", 100, 1, ratio_floor=100), "ratio ≥ 100", "met"),
        (Row("w", 99, 1, ratio_floor=100), "ratio ≥ 100", "MISSED"),
        (Row("w", 99, 1), "", ""),
    ],
)
def test_a_goal_is_judged(row: Row, goal: str, verdict: str) -> None:
    assert cells(row)[4:] == [goal, verdict]


@pytest.mark.parametrize("control", [None, 0.0, -0.07])
def test_there_is_no_ratio_to_what_is_not_above_nothing(control: float | None) -> None:
    assert Row("w", 10, control).ratio is None
    assert cells(Row("w", 10, control, ratio_floor=2))[3:] == ["", "", ""]


def test_rounds_are_those_asked_for_else_the_usual_ones() -> None:
    assert Settings(is_quick=False, say=print).rounds(3) == 3
    assert Settings(is_quick=True, say=print).rounds(3) == 1
    assert Settings(is_quick=True, say=print, repeats=5).rounds(3) == 5
