"""The cases of the Berkeley Function-Calling Leaderboard, written down in every shape."""

from __future__ import annotations

import pytest
from benchmarks.rescue_rate import (
    LEAST,
    Case,
    count_invented,
    exact_share,
    installed_folder,
    read_answered,
    read_unanswered,
)
from tests.support.rescue import SHAPES

# A hundred thousand texts: the line tracer would make a minute of seconds, and see nothing new.
pytestmark = pytest.mark.no_cover


@pytest.fixture(scope="module")
def answered() -> list[Case]:
    cases = read_answered(installed_folder())
    assert len(cases) == 2_501
    return cases


@pytest.fixture(scope="module")
def unanswered() -> list[Case]:
    cases = read_unanswered(installed_folder())
    assert len(cases) == 1_124
    return cases


@pytest.mark.parametrize("shape", SHAPES)
def test_right_answers_are_read_back_exactly(answered: list[Case], shape: str) -> None:
    assert exact_share(answered, shape) >= LEAST


def test_no_call_is_invented_where_no_tool_answers(unanswered: list[Case]) -> None:
    assert count_invented(unanswered) == 0


def test_no_call_is_invented_from_what_surrounds_the_right_ones(answered: list[Case]) -> None:
    assert count_invented(answered) == 0
