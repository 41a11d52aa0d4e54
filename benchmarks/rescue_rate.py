"""How many calls of the Berkeley Function-Calling Leaderboard are rescued, in each shape.

python -m benchmarks.rescue_rate [FOLDER]

The folder is `bfcl_eval/data` of the package `bfcl-eval` (Apache-2.0; its data need none of its
dependencies); without it, that of the installed one. Every right answer is written down in every
shape of `tests/support/rescue.py`, alone and behind a sentence, and must be read back to the last
argument. Questions that no tool answers, and the definitions of tools, are read too: they hold no
call.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.support.rescue import SHAPES, Asked

from puna.rescue.stream import find_calls
from puna.rescue.tools import KnownTools

_ANSWERED = (
    *("simple_python", "simple_java", "simple_javascript"),
    *("multiple", "parallel", "parallel_multiple"),
    *("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple"),
)
_UNANSWERED = ("irrelevance", "live_irrelevance")
_SENTENCE = "I will look that up.\n\n"
LEAST = 0.99
"""The share that must be read back exactly, in each shape."""


@dataclass(frozen=True, slots=True)
class Case:
    """A question, the tools that came with it, and the right calls, if any are."""

    question: str
    tools: KnownTools
    definitions: tuple[str, ...]
    calls: tuple[Asked, ...] = ()


def installed_folder() -> Path:
    """The data of the installed package, which is not imported.

    Raises:
        FileNotFoundError: it is not installed.
    """
    spec = find_spec("bfcl_eval")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("`bfcl-eval` is not installed; name its folder `bfcl_eval/data`.")
    return Path(spec.submodule_search_locations[0]) / "data"


def read_answered(folder: Path) -> list[Case]:
    """All cases with right calls."""
    return [case for name in _ANSWERED for case in read_cases(folder, name) if case.calls]


def read_unanswered(folder: Path) -> list[Case]:
    """All cases in which no tool answers the question."""
    return [case for name in _UNANSWERED for case in read_cases(folder, name)]


def read_cases(folder: Path, name: str) -> Iterator[Case]:
    """The cases of one file."""
    answers = folder / "possible_answer" / f"BFCL_v4_{name}.json"
    right = {line["id"]: line["ground_truth"] for line in _lines(answers)}
    for line in _lines(folder / f"BFCL_v4_{name}.json"):
        tools = [{"type": "function", "function": function} for function in line["function"]]
        yield Case(
            question="\n".join(message["content"] for message in line["question"][0]),
            tools=KnownTools(tools),
            definitions=tuple(json.dumps(one) for one in (*line["function"], *tools)),
            calls=tuple(_read_call(one) for one in right.get(line["id"], ())),
        )


def exact_share(cases: Sequence[Case], shape: str) -> float:
    """The share of cases whose calls are read back exactly."""
    return sum(_is_exact(case, shape) for case in cases) / len(cases)


def count_invented(cases: Sequence[Case]) -> int:
    """Calls that are found where none is."""
    return sum(
        len(find_calls(text, case.tools).calls) for case in cases for text in _harmless_texts(case)
    )


def main(folder: Path) -> int:
    """Print the table; 1 where too few are rescued or any is invented."""
    answered, unanswered = read_answered(folder), read_unanswered(folder)
    shares = {shape: exact_share(answered, shape) for shape in SHAPES}
    for shape, share in shares.items():
        print(f"{shape:22} {share:8.2%} of {len(answered)}")
    invented = count_invented([*answered, *unanswered])
    print(f"{'invented':22} {invented:8} in {len(answered) + len(unanswered)}")
    return int(min(shares.values()) < LEAST or invented > 0)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def _read_call(truth: Mapping[str, Any]) -> Asked:
    """A call with the first of the values that each argument may have; "" means left out."""
    ((name, given),) = truth.items()
    return name, {
        key: _first(values[0]) for key, values in given.items() if values and values[0] != ""
    }


def _first(value: Any) -> Any:
    """Values within objects are lists of what is right, too."""
    if isinstance(value, dict):
        return {
            key: _first(one[0]) if isinstance(one, list) and one else one
            for key, one in value.items()
        }
    return [_first(item) for item in value] if isinstance(value, list) else value


def _is_exact(case: Case, shape: str) -> bool:
    text = SHAPES[shape](case.calls)
    for before in ("", _SENTENCE):
        rescued = find_calls(before + text, case.tools)
        made = [(call.name, json.loads(call.arguments)) for call in rescued.calls]
        if made != list(case.calls) or rescued.text != before:
            return False
    return True


def _harmless_texts(case: Case) -> Iterator[str]:
    if not case.calls:
        yield case.question
    for definition in case.definitions:
        yield definition
        yield f"I can use this:\n\n```json\n{definition}\n```\n"
        yield f"[{definition}]"
    for name in case.tools.schemas:
        yield f"I could call {name}(…), or `{name}()`, but that does not answer you."
        yield f"{name} is not of use here."
        yield f'A call would be\n{{"name": "{name}", "parameters": {{}}}}\nbut I make none.'


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else installed_folder()))
