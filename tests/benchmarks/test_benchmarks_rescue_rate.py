"""The measurement of the rescue over data in the leaderboard's form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.rescue_rate import main

FUNCTION = {
    "name": "geometry.area",
    "description": "The area of a triangle",
    "parameters": {"type": "dict", "properties": {"base": {"type": "integer"}}},
}


def write(path: Path, *lines: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")


def case(name: str) -> dict[str, Any]:
    question = [[{"role": "user", "content": "How large is it?"}]]
    return {"id": name, "question": question, "function": [FUNCTION]}


def test_right_answers_are_read_back_and_nothing_is_invented(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = {"geometry.area": {"base": [10, 11], "unit": ["", "cm"], "at": [{"x": [1], "y": []}]}}
    write(tmp_path / "BFCL_v4_simple_python.json", case("s1"), case("s2"))
    write(
        tmp_path / "possible_answer" / "BFCL_v4_simple_python.json",
        {"id": "s1", "ground_truth": [truth, {"geometry.area": {"base": [1]}}]},
    )
    write(tmp_path / "BFCL_v4_irrelevance.json", case("i1"))
    assert main(tmp_path) == 0
    told = capsys.readouterr().out
    assert "pythonic                100.00% of 1" in told
    assert "invented                      0 in 2" in told


def test_an_invented_call_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = case("i1")
    odd["question"][0][0]["content"] = "[geometry.area(base=1)]"
    write(tmp_path / "BFCL_v4_simple_python.json", case("s1"))
    truth = {"id": "s1", "ground_truth": [{"geometry.area": {}}]}
    write(tmp_path / "possible_answer" / "BFCL_v4_simple_python.json", truth)
    write(tmp_path / "BFCL_v4_irrelevance.json", odd)
    assert main(tmp_path) == 1
    assert "invented                      1" in capsys.readouterr().out
