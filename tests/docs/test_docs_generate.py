from __future__ import annotations

from pathlib import Path

import pytest
from docs.acceptance_page import (
    Case,
    Proof,
    acceptance_page,
    find_problems,
    load_cases,
    read_markers,
)
from docs.generate import NOTE, PAGES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_reference_says_what_the_sources_say(name: str) -> None:
    """Else `make docs` writes it anew."""
    written = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert written == NOTE + PAGES[name]().rstrip() + "\n"


def test_the_cases_are_numbered_without_a_gap() -> None:
    assert [case.number for case in load_cases(ROOT)] == list(range(1, 176))


def test_a_marker_is_found_wherever_it_stands(tmp_path: Path) -> None:
    tests = tmp_path / "tests" / "wire"
    tests.mkdir(parents=True)
    (tests / "test_wire_x.py").write_text(
        "import pytest\n"
        "pytestmark = [pytest.mark.case(1)]\n"
        "ROWS = [pytest.param(1, marks=pytest.mark.case(2))]\n"
        "@pytest.mark.case(3, 4)\n"
        "def test_a() -> None: ...\n"
        "@pytest.mark.parametrize('x', [pytest.param(1, marks=[pytest.mark.case(5)])])\n"
        "async def test_b(x: int) -> None: ...\n"
    )

    found = read_markers(tmp_path)

    file = "tests/wire/test_wire_x.py"
    assert found == {
        1: [Proof(file, "all tests")],
        2: [Proof(file, "ROWS")],
        3: [Proof(file, "test_a")],
        4: [Proof(file, "test_a")],
        5: [Proof(file, "test_b")],
    }


def test_a_case_without_a_test_and_a_test_without_a_case_are_problems() -> None:
    cases = [Case(1, "one", "A"), Case(2, "two", "A", later="not now"), Case(3, "three", "A")]
    markers = {1: [Proof("tests/x.py", "test_a")], 9: [Proof("tests/x.py", "test_b")]}

    assert find_problems(cases, markers) == [
        "case 3 has no test: three",
        "tests/x.py: test_b names case 9, which does not exist",
    ]


def test_the_page_says_what_holds() -> None:
    cases = [Case(1, "one", "A"), Case(2, "two", "A", later="not now"), Case(3, "three", "B")]

    page = acceptance_page(cases, {1: [Proof("tests/x.py", "test_a")]})

    assert "3 cases: 1 hold, 1 not yet, 1 belong to later work." in page
    assert "| 1 | one | [test_a](../../tests/x.py) | holds |" in page
    assert "| 2 | two |  | later: not now |" in page
    assert "| 3 | three |  | not yet |" in page


def test_every_page_is_made_the_same_each_time() -> None:
    for make in PAGES.values():
        page = make()
        assert page == make()
        assert page.startswith("# ")
        assert NOTE not in page


def test_no_page_names_a_place_on_this_machine() -> None:
    for make in PAGES.values():
        assert str(ROOT) not in make()
