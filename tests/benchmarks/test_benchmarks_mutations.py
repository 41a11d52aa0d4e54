"""Which faults are planted to see whether the tests notice."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest
from benchmarks.mutants import EQUIVALENTS, nearest_first, sample
from benchmarks.mutations import draw, mutants_of

SOURCE = b'''"""Docstring."""

from typing import TYPE_CHECKING

__all__ = ["spend"]

if TYPE_CHECKING:
    LIMIT = 1


@register("spend")
def spend(amount: "Money", limits: dict[str, int] = DEFAULT) -> int:
    """True words."""
    if not amount:
        return 0
    if (amount + 1) < limits["key"] and amount is not None:
        log(f"over {1}")
        raise ValueError("amount", 3)
    return amount
'''


def _changes(source: bytes) -> set[str]:
    found = mutants_of("src/puna/x.py", source)
    return {mutant.name.partition(": ")[2] for mutant in found}


def test_a_mutant_is_a_nearby_wrong_program() -> None:
    line = 'if (amount + 1) < limits["key"] and amount is not None:'
    assert _changes(SOURCE) == {
        "`if not amount:` -> `if (amount):`",
        "`return 0` -> `return None`",
        "`return 0` -> `return 1`",
        f"`{line}` -> `{line.replace(' + ', ' - ')}`",
        f"`{line}` -> `{line.replace(' < ', ' <= ')}`",
        f"`{line}` -> `{line.replace(' and ', ' or ')}`",
        f"`{line}` -> `{line.replace('is not', 'is')}`",
        f"`{line}` -> `{line.replace('+ 1', '+ 2')}`",
        f"`{line}` -> `{line.replace(chr(34) + 'key' + chr(34), repr('key_'))}`",
        '`log(f"over {1}")` -> `pass`',
        "`return amount` -> `return None`",
    }


def test_a_mutant_knows_whether_the_import_runs_it() -> None:
    source = b"LIMIT = 1\n\ndef f(x=2):\n    return x + 3\n\nclass A:\n    y = 4\n"
    found = {one.text: one.is_in_function for one in mutants_of("src/puna/x.py", source)}
    assert found == {
        "2": False,
        "3": False,
        " - ": True,
        "return None": True,
        "4": True,
        "5": False,
    }


def test_tests_of_the_module_come_first() -> None:
    own = "tests/engine/test_engine_run.py::a"
    near = "tests/engine/test_engine_streams.py::b"
    far = "tests/gateway/passing/test_gateway_passing_lane.py::c"
    path = "src/puna/engine/run.py"
    assert nearest_first(path, [far, near, own]) == ([own], [near], [far])
    assert nearest_first("src/puna/errors.py", [far]) == ([], [], [far])
    lane, beside = "src/puna/gateway/passing/lane.py", "tests/gateway/test_gateway_visit.py::d"
    assert nearest_first(lane, [own, beside, far]) == ([far], [beside], [own])


@pytest.mark.parametrize(
    ("source", "change"),
    [
        ("while todo():\n    break\n", "`while todo():` -> `while (not todo()):`"),
        ("while todo():\n    break\n", "`break` -> `continue`"),
        ("for x in y:\n    continue\n", "`continue` -> `break`"),
        ("total += 1\n", "`total += 1` -> `pass`"),
        ("flag = True\n", "`flag = True` -> `flag = False`"),
        ("a = b if c else d\n", "`a = b if c else d` -> `a = b if (not c) else d`"),
        ("a = (f(b)) == (c)\n", "`a = (f(b)) == (c)` -> `a = (f(b)) != (c)`"),
        ("a = 'ü' in b\n", "`a = 'ü' in b` -> `a = 'ü' not in b`"),
    ],
)
def test_each_kind_of_fault_is_planted(source: str, change: str) -> None:
    assert change in _changes(source.encode())


@pytest.mark.parametrize(
    "source", ["a = 'b c' + d\n", "a: 'int' = b\n", "class A(B, frozen=True): c\n"]
)
def test_what_says_nothing_of_the_tests_is_left_alone(source: str) -> None:
    assert _changes(source.encode()) == set()


def test_every_mutant_of_the_house_is_a_program() -> None:
    house = Path(__file__).parents[2] / "src" / "puna"
    for file in sorted(house.rglob("*.py"))[::10]:
        source = file.read_bytes()
        for mutant in mutants_of(str(file), source):
            planted = mutant.planted_in(source)
            ast.parse(planted)
            assert planted != source


def test_a_seed_draws_the_same_mutants_again_and_from_every_layer() -> None:
    found = [
        mutant
        for layer, count in (("wire", 40), ("types", 400), ("cli", 4))
        for mutant in mutants_of(f"src/puna/{layer}/x.py", b"a = 1\n" * count)
    ]
    drawn = draw(found, 30, seed=7)

    assert drawn == draw(found, 30, seed=7) != draw(found, 30, seed=8)
    assert len({(one.path, one.line) for one in drawn}) == 30
    assert {one.path for one in drawn} == {one.path for one in found}


def test_equivalent_mutants_still_stand_in_the_house() -> None:
    listed = tomllib.loads(EQUIVALENTS.read_text())["equivalent"]
    _, equivalent = sample(10**6, 0, "src/puna")
    assert {one["name"] for one in listed} == {one.name for one in equivalent}
    assert all(one["reason"] for one in listed)
