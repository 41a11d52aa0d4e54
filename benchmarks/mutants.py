"""How many planted faults the tests notice: a seeded sample of mutants over `src/puna`.

    python -m benchmarks.mutants --count 150 --seed 1

Each mutant (`benchmarks/mutations.py`) is planted in a copy of the tree and the tests run that
cover its line, those of its module and its layer first. A mutant that they let pass meets all tests
that cover its file and those of its layer's folder; one that passes these, too, survives.
`--covering` leaves these out where tests are known to run the line in a function, and looks at no
fault for longer than some minutes: it takes less time, and more survive. `--skip N` goes on after a
run that was cut off. `benchmarks/mutants.toml` lists mutants that no test can notice, since the
program does the same, each with its reason: they do not count. Fails where less than 93 % of the
others are killed.

Which tests cover a line is measured first, by a run of the whole suite (`--reuse`: the last one's
map). Code that runs in processes of its own is not seen there: its file's tests count instead.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from coverage import CoverageData

from benchmarks.mutant_tree import Tree
from benchmarks.mutations import Mutant, draw, mutants_of

ROOT = Path(__file__).parents[1]
EQUIVALENTS = Path(__file__).with_name("mutants.toml")
GOAL = 0.93
_MAP = ROOT / ".mutants"
_BRIEF_S = 90.0


@dataclass(frozen=True, slots=True)
class Covering:
    """Which tests ran which lines of the sources."""

    by_line: Mapping[str, Mapping[int, frozenset[str]]]
    breadth: Mapping[str, int]  # of each test: how many lines it ran

    def of(self, mutant: Mutant) -> list[str]:
        """The tests of the mutant's lines, those that run least first."""
        lines = self.by_line.get(mutant.path, {})
        spanned = range(mutant.line, mutant.last_line + 1)
        return self._sorted(test for line in spanned for test in lines.get(line, ()))

    def of_file(self, path: str) -> list[str]:
        """The tests of any line of a file, those that run least first."""
        return self._sorted(test for tests in self.by_line.get(path, {}).values() for test in tests)

    def _sorted(self, tests: Iterable[str]) -> list[str]:
        return sorted(set(tests), key=lambda test: (self.breadth[test], test))


def read_map(file: Path, root: str, known: frozenset[str]) -> Covering:
    """What a coverage file with contexts says; `root` is the tree that it was measured in."""
    data = CoverageData(basename=str(file))
    data.read()
    by_line: dict[str, dict[int, frozenset[str]]] = {}
    breadth: dict[str, int] = {}
    for measured in data.measured_files():
        lines = data.contexts_by_lineno(measured)
        found = {line: frozenset(_tests(contexts, known)) for line, contexts in lines.items()}
        by_line[measured.removeprefix(f"{root}/")] = found
        for tests in found.values():
            for test in tests:
                breadth[test] = breadth.get(test, 0) + 1
    return Covering(by_line, breadth)


def _tests(contexts: Iterable[str], known: frozenset[str]) -> Iterable[str]:
    for context in contexts:
        test = context.rpartition("|")[0]
        # pytest-xdist puts the test's group behind its name.
        yield from (one for one in (test, test.rpartition("@")[0]) if one in known)


def judge(
    mutant: Mutant, tree: Tree, covering: Covering, alone: threading.Lock, *, is_brief: bool
) -> str:
    """`killed`, `survived`, or `too slow`, which counts as killed: the tests ran into a limit.

    `is_brief` leaves out tests that do not run the line, where some do, and takes a fault that
    none of them notices within `_BRIEF_S` for a survivor.
    """
    first = covering.of(mutant)
    ran = set(first)
    wider = [test for test in covering.of_file(mutant.path) if test not in ran]
    wider += tree.folders_of(mutant.path)
    if is_brief and first and mutant.is_in_function:
        wider = []
    brief_s = _BRIEF_S if is_brief else None
    # Tests that were written since the map was measured count, too.
    own, near, far = nearest_first(mutant.path, first)
    with tree.planted(mutant):
        for tests in (tree.files_of(mutant.path) or own, near, far, wider):
            if tests and (verdict := tree.run(tests, "not end_to_end", brief_s=brief_s)):
                return verdict
        with alone:  # they share ports
            return tree.run([*first, *wider], "end_to_end", brief_s=brief_s) or "survived"


def nearest_first(path: str, tests: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Tests of the module's own files, of its layer, and the rest: the first find most faults."""
    parts = Path(path).relative_to("src/puna").with_suffix("").parts
    layer = f"tests/{parts[0]}/"
    module = f"{'/'.join(('tests', *parts[:-1]))}/test_{'_'.join(parts)}"
    own = [test for test in tests if test.startswith(module)]
    near = [test for test in tests if test.startswith(layer) and not test.startswith(module)]
    return own, near, [test for test in tests if not test.startswith(layer)]


def sample(count: int, seed: int, only: str) -> tuple[list[Mutant], list[Mutant]]:
    """The drawn mutants that count, and the drawn ones that are listed as equivalent."""
    reasons = {one["name"] for one in tomllib.loads(EQUIVALENTS.read_text())["equivalent"]}
    files = sorted((ROOT / "src" / "puna").rglob("*.py"))
    paths = [str(file.relative_to(ROOT)) for file in files]
    found = [
        mutant
        for path in paths
        if path.startswith(only) and not path.endswith("embedded/child.py")
        for mutant in mutants_of(path, (ROOT / path).read_bytes())
    ]
    drawn = draw(found, count, seed)
    return [one for one in drawn if one.name not in reasons], [
        one for one in drawn if one.name in reasons
    ]


def main() -> int:
    """Draw, plant, run, and tell; 1 where the goal is missed."""
    options = _options()
    drawn, equivalent = sample(options.count, options.seed, options.only)
    print(f"seed {options.seed}: {len(drawn)} mutants, {len(equivalent)} equivalent", flush=True)
    with tempfile.TemporaryDirectory(prefix="puna-mutants-") as folder:
        trees = [Tree.copy(ROOT, Path(folder) / str(n)) for n in range(options.workers)]
        if not options.reuse or not (_MAP / "coverage").exists():
            print("measuring which tests cover which lines (the whole suite runs once)", flush=True)
            _MAP.mkdir(exist_ok=True)
            root = trees[0].measure(_MAP / "coverage")
            (_MAP / "root").write_text(root)
        covering = read_map(_MAP / "coverage", (_MAP / "root").read_text(), trees[0].known_tests())
        results = _judge_all(drawn[options.skip :], trees, covering, is_brief=options.covering)
    survivors = [mutant for mutant, verdict in results if verdict == "survived"]
    killed = len(results) - len(survivors)
    print(f"\nkilled {killed} of {len(results)} ({killed / max(len(results), 1):.1%})")
    for mutant in survivors:
        print(f"survived: line {mutant.line} of {mutant.name}")
    return int(killed < GOAL * len(results))


def _judge_all(
    drawn: list[Mutant], trees: list[Tree], covering: Covering, *, is_brief: bool
) -> list[tuple[Mutant, str]]:
    alone = threading.Lock()
    free = list(trees)

    def judged(mutant: Mutant) -> tuple[Mutant, str]:
        tree = free.pop()
        began = time.monotonic()
        try:
            verdict = judge(mutant, tree, covering, alone, is_brief=is_brief)
        finally:
            free.append(tree)
        took = time.monotonic() - began
        print(f"{verdict:9} {took:5.0f} s  line {mutant.line} of {mutant.name}", flush=True)
        return mutant, verdict

    with ThreadPoolExecutor(len(trees)) as threads:
        return list(threads.map(judged, drawn))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mutants", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--count", type=int, default=150, help="how many mutants (150)")
    parser.add_argument(
        "--seed", type=int, default=random.randrange(10_000), help="draws the same ones again"
    )
    parser.add_argument("--workers", type=int, default=2, help="how many at once (2)")
    parser.add_argument("--only", default="src/puna", help="of files whose path begins so")
    parser.add_argument("--reuse", action="store_true", help="the last run's map of tests")
    parser.add_argument("--covering", action="store_true", help="no tests beside the line's own")
    parser.add_argument("--skip", type=int, default=0, help="leave out the first of the sample")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
