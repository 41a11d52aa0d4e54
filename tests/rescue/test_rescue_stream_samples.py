"""What models really wrote, from public reports: `tests/fixtures/rescue/samples.toml`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.support.rescue import known, pieces_of

from puna.rescue.failed_generation import FailedGeneration, read_failed_generation
from puna.rescue.stream import Rescued, find_calls, join_pieces

TOLD = FailedGeneration(400, "tool_use_failed", "failed_generation")
_FILE = Path(__file__).parent.parent / "fixtures" / "rescue" / "samples.toml"
_SAMPLES: list[dict[str, Any]] = tomllib.loads(_FILE.read_text(encoding="utf-8"))["sample"]

of_replies = pytest.mark.parametrize(
    "sample", [pytest.param(s, id=s["source"]) for s in _SAMPLES if not s.get("is_error")]
)
of_errors = pytest.mark.parametrize(
    "sample", [pytest.param(s, id=s["source"]) for s in _SAMPLES if s.get("is_error")]
)


def check(rescued: Rescued, sample: dict[str, Any]) -> None:
    made = [(call.name, json.loads(call.arguments)) for call in rescued.calls]
    assert made == [(name, json.loads(text)) for name, text in sample.get("calls", [])]
    assert rescued.text == (sample.get("rest", "") if made else sample["text"])


@of_replies
def test_a_sample_is_read_as_it_was_meant(sample: dict[str, Any]) -> None:
    check(find_calls(sample["text"], known(*sample["tools"])), sample)


@of_replies
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_sample_means_the_same_in_pieces(sample: dict[str, Any], size: int) -> None:
    text = sample["text"]
    parts = [text[start : start + size] for start in range(0, len(text), size)]
    check(join_pieces(pieces_of(parts, known(*sample["tools"]))), sample)


@of_replies
def test_other_tools_leave_a_sample_alone(sample: dict[str, Any]) -> None:
    assert find_calls(sample["text"], known("another_tool")) == Rescued(sample["text"])


@of_errors
def test_an_error_gives_the_calls_that_its_text_holds(sample: dict[str, Any]) -> None:
    error = {"message": "Failed", "code": "tool_use_failed", "failed_generation": sample["text"]}
    rescued = read_failed_generation({"error": error}, TOLD, known(*sample["tools"]))
    if "calls" in sample:
        assert rescued is not None
        check(rescued, sample)
    else:
        assert rescued is None


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"error": "no"},
        {"error": {"code": "other", "failed_generation": "[f()]"}},
        {"error": {"code": "tool_use_failed"}},
        {"error": {"code": "tool_use_failed", "failed_generation": 1}},
    ],
)
def test_another_error_gives_no_calls(body: Any) -> None:
    assert read_failed_generation(body, TOLD, known("f")) is None


def test_there_are_samples_enough_to_learn_from() -> None:
    left_alone = [s for s in _SAMPLES if "calls" not in s or "rest" in s]
    assert len(_SAMPLES) >= 60
    assert len(left_alone) >= len(_SAMPLES) / 3
    assert all(s["source"].startswith("https://") for s in _SAMPLES)
