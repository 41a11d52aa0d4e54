"""The table of acceptance cases: docs/acceptance-cases.toml against the tests' `case` markers."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Case:
    """One acceptance case. `later` says why it is not for now, or is None."""

    number: int
    text: str
    section: str
    later: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Proof:
    """A test, or a list of parameters, that names a case."""

    file: str
    name: str


def load_cases(root: Path) -> list[Case]:
    """All cases in order."""
    data = tomllib.loads((root / "docs" / "acceptance-cases.toml").read_text(encoding="utf-8"))
    return [
        Case(
            number=case["number"],
            text=case["text"],
            section=f"{section['letter']}. {section['title']}",
            later=case.get("later", section.get("later")),
        )
        for section in data["section"]
        for case in section["case"]
    ]


def read_markers(root: Path) -> Mapping[int, Sequence[Proof]]:
    """Case number -> the tests whose `@pytest.mark.case` names it, sorted."""
    found: dict[int, set[Proof]] = {}
    for path in sorted((root / "tests").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        file = path.relative_to(root).as_posix()
        for name, marked in _parts(tree):
            for number in _numbers_in(marked):
                found.setdefault(number, set()).add(Proof(file, name))
    return {number: sorted(proofs) for number, proofs in found.items()}


def find_problems(cases: Sequence[Case], markers: Mapping[int, Sequence[Proof]]) -> list[str]:
    """Cases without a test that are not for later, and markers without a case, in words."""
    missing = [case for case in cases if case.later is None and case.number not in markers]
    unknown = sorted(set(markers) - {case.number for case in cases})
    return [
        *(f"case {case.number} has no test: {case.text}" for case in missing),
        *(
            f"{proof.file}: {proof.name} names case {number}, which does not exist"
            for number in unknown
            for proof in markers[number]
        ),
    ]


def acceptance_page(cases: Sequence[Case], markers: Mapping[int, Sequence[Proof]]) -> str:
    """The page: counts, then one table a section."""
    holding = sum(_state(case, markers) == "holds" for case in cases)
    later = sum(case.later is not None for case in cases)
    missing = len(cases) - holding - later
    lines = [
        "# Acceptance cases",
        "",
        "What a hostile tester would try, and the tests that try it. The cases are kept in",
        "[acceptance-cases.toml](../acceptance-cases.toml); a test names its cases by",
        "`@pytest.mark.case(…)`. *holds*: `make test` or `make check` runs the tests named here.",
        '"The page" is LiteLLM\'s page on Meta Llama.',
        "",
        f"{len(cases)} cases: {holding} hold, {missing} not yet, {later} belong to later work.",
    ]
    for section in dict.fromkeys(case.section for case in cases):
        lines += ["", f"## {section}", "", "| case | what | tests | state |", "|---|---|---|---|"]
        lines += [_row(case, markers) for case in cases if case.section == section]
    return "\n".join(lines)


def _row(case: Case, markers: Mapping[int, Sequence[Proof]]) -> str:
    proofs = ", ".join(
        f"[{proof.name}](../../{proof.file})" for proof in markers.get(case.number, ())
    )
    return f"| {case.number} | {case.text} | {proofs} | {_state(case, markers)} |"


def _state(case: Case, markers: Mapping[int, Sequence[Proof]]) -> str:
    if case.later is not None:
        return f"later: {case.later}"
    return "holds" if case.number in markers else "not yet"


def _parts(tree: ast.Module) -> Iterator[tuple[str, Iterable[ast.AST]]]:
    """Names and what marks them: a test's decorators; for all else the statement itself."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.decorator_list
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            yield ("all tests" if name == "pytestmark" else name), (node.value,)


def _numbers_in(nodes: Iterable[ast.AST]) -> Iterator[int]:
    for node in nodes:
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.case":
                yield from (int(ast.literal_eval(argument)) for argument in call.args)
