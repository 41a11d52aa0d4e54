from __future__ import annotations

from dataclasses import replace

import pytest
from benchmarks.figures import (
    MOST_GROWTH,
    MOST_GROWTH_ELSEWHERE,
    Figures,
    compare,
    figures_here,
    read_figures,
    with_new,
)
from benchmarks.instructions import RECORD, goal_lines
from benchmarks.instructions_child import CASES, CONTROL

RECORDED = Figures(
    python="3.11",
    machine="x86_64",
    build="CPython 3.11.7, GCC 12.2.0",
    control=1_000_000,
    counts={"gateway": 200_000, "sdk": 700_000},
)
COMMAND = "make record"


def test_what_was_recorded_is_read_again() -> None:
    assert read_figures(RECORDED.to_toml(COMMAND)) == RECORDED


def test_figures_of_this_interpreter_are_comparable_with_themselves() -> None:
    here = figures_here(1_000_000, {"gateway": 200_000})
    assert compare(here, read_figures(here.to_toml(COMMAND))).is_good


def test_what_grew_by_more_than_is_let_pass_fails_and_tells_by_how_much() -> None:
    now = replace(RECORDED, counts={"gateway": 212_000, "sdk": 700_000})
    found = compare(now, RECORDED)
    assert found.limit == MOST_GROWTH
    assert found.grown == ["gateway"]
    assert not found.is_good
    said = "\n".join(found.verdict(COMMAND))
    assert "`gateway` needs 6.0% more" in said
    assert COMMAND in said


def test_what_grew_by_less_passes() -> None:
    now = replace(RECORDED, counts={"gateway": 209_000, "sdk": 665_001})
    found = compare(now, RECORDED)
    assert found.is_good
    assert found.fallen == []
    assert COMMAND not in "\n".join(found.verdict(COMMAND))


def test_what_fell_passes_and_is_to_be_recorded() -> None:
    found = compare(replace(RECORDED, counts={"gateway": 150_000, "sdk": 700_000}), RECORDED)
    assert found.is_good
    assert found.fallen == ["gateway"]
    assert COMMAND in "\n".join(found.verdict(COMMAND))


def test_another_build_is_held_to_its_own_control_with_more_room() -> None:
    quicker = replace(
        RECORDED, control=880_000, counts={"gateway": 187_000, "sdk": 700_000 * 0.88 * 1.26}
    )
    found = compare(quicker, RECORDED)
    assert not found.is_same_build
    assert found.limit == MOST_GROWTH_ELSEWHERE
    assert found.growths["gateway"] == pytest.approx(187_000 / 176_000 - 1)
    assert found.grown == ["sdk"]
    assert "another build of Python" in found.verdict(COMMAND)[0]


@pytest.mark.parametrize("other", [{"python": "3.12"}, {"machine": "aarch64"}])
def test_another_minor_version_or_machine_is_not_compared(other: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        compare(replace(RECORDED, **other), RECORDED)  # type: ignore[arg-type]  # both are texts


def test_a_case_without_a_record_fails() -> None:
    now = replace(RECORDED, counts={**RECORDED.counts, "new": 1})
    found = compare(now, RECORDED)
    assert not found.is_good
    assert any("`new`" in line for line in found.verdict(COMMAND))


def test_a_record_without_its_case_fails() -> None:
    found = compare(replace(RECORDED, counts={"sdk": 700_000}), RECORDED)
    assert not found.is_good
    assert any("`gateway`" in line for line in found.verdict(COMMAND))


def test_each_case_has_its_record() -> None:
    recorded = read_figures(RECORD.read_text())
    assert {CONTROL, *recorded.counts} == set(CASES)


def test_only_new_cases_are_recorded_and_as_multiples_of_the_recorded_control() -> None:
    now = replace(RECORDED, control=500_000, counts={"gateway": 1, "sdk": 2, "new": 50_000})
    kept = with_new(RECORDED, now)
    assert kept.counts == {**RECORDED.counts, "new": 100_000}
    assert kept.control == RECORDED.control
    assert kept.multiple("new") == now.multiple("new")


def test_goals_are_told_as_multiples_of_the_plain_request_and_chunk() -> None:
    counts = {
        "gateway": 100.0,
        "gateway_chunk": 10.0,
        "gateway_tool": 150.0,
        "gateway_agent": 900.0,
    }
    head, *lines = goal_lines({**counts, "gateway_tool_chunk": 13.1, "gateway_hook": 120.0})
    assert head.endswith("of the plain request or chunk:")
    assert [" ".join(line.split()) for line in lines] == [
        "gateway_hook 1.20 of gateway; the goal is 1.3 at most: met",
        "gateway_tool 1.50 of gateway; the goal is 1.5 at most: met",
        "gateway_tool_chunk 1.31 of gateway_chunk; the goal is 1.3 at most: NOT MET",
        "gateway_agent 9.00 of gateway",
    ]
