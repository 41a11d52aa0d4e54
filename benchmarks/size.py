"""`python -m benchmarks.size [--functions N] [--since COMMIT]`: how much source each layer has.

Prints, for each folder of `src/puna` and for the drop-in: files, lines, the longest file and the
longest function; then the N longest functions of all. With a commit, the trend too: by how many
files and lines each layer has grown since. It measures and never fails.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = {"": "src/puna", "compat/": "compat/litellm/src/litellm"}
"""Folders below the root, by what stands before the names of their layers."""
_OWN = "(modules)"
_SUM = "all"


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method with its length in lines, docstring included."""

    lines: int
    name: str
    path: str
    at: int

    def __str__(self) -> str:
        return f"{self.lines:4}  {self.name}  {self.path}:{self.at}"


@dataclass(frozen=True, slots=True)
class Module:
    """A source file: its layer, its path from the root, its lines and its functions."""

    layer: str
    path: str
    lines: int
    functions: tuple[Function, ...]


def read_module(layer: str, path: str, text: str) -> Module:
    """What a source file holds.

    Raises:
        SyntaxError: it is no Python.
    """
    found: list[Function] = []

    def visit(node: ast.AST, within: str) -> None:
        for child in ast.iter_child_nodes(node):
            name = within
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{within}.{child.name}" if within else child.name
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (child.end_lineno or child.lineno) - child.lineno + 1
                found.append(Function(length, name, path, child.lineno))
            visit(child, name)

    visit(ast.parse(text), "")
    return Module(layer, path, len(text.splitlines()), tuple(found))


def modules_of(root: Path, folder: Path, prefix: str = "") -> list[Module]:
    """All sources below a folder. Their layer is the first folder on their way."""
    modules: list[Module] = []
    for file in sorted(folder.rglob("*.py")):
        parts = file.relative_to(folder).parts
        layer = prefix + (parts[0] if len(parts) > 1 else _OWN)
        modules.append(read_module(layer, str(file.relative_to(root)), file.read_text("utf-8")))
    return modules


def tree_of(root: Path) -> list[Module]:
    """All sources of a working tree."""
    return [
        one for prefix, folder in SOURCES.items() for one in modules_of(root, root / folder, prefix)
    ]


def tree_at(commit: str) -> list[Module]:
    """All sources as they were at a commit.

    Raises:
        CalledProcessError: git does not know it.
    """
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "tree.tar")
        command = ["git", "archive", f"--output={archive}", commit, "--", *SOURCES.values()]
        subprocess.run(command, cwd=ROOT, check=True)
        with tarfile.open(archive) as tree:
            tree.extractall(folder, filter="data")
        return tree_of(Path(folder))


def as_trend(now: Iterable[Module], then: Iterable[Module], commit: str) -> str:
    """How many files and lines each layer has more or fewer; layers that differ, and the sum."""
    changes: dict[str, tuple[int, int]] = {}
    for modules, sign in ((now, 1), (then, -1)):
        for module in modules:
            for layer in (module.layer, _SUM):
                files, lines = changes.pop(layer, (0, 0))
                changes[layer] = (files + sign, lines + sign * module.lines)
    rows = [f"since {commit:18} files   lines"]
    rows += [
        f"{layer:24} {files:+5} {lines:+7}"
        for layer, (files, lines) in sorted(changes.items(), key=lambda one: one[0] == _SUM)
        if files or lines or layer == _SUM
    ]
    return "\n".join(rows)


def as_table(modules: Iterable[Module], most_functions: int) -> str:
    """A row for each layer, their sum, and the longest functions."""
    layers: dict[str, list[Module]] = {}
    for module in modules:
        layers.setdefault(module.layer, []).append(module)
    rows = [f"{'layer':24} files   lines  longest file  longest function"]
    for name, those in layers.items():
        longest = max((f.lines for one in those for f in one.functions), default=0)
        most = max(one.lines for one in those)
        lines = sum(one.lines for one in those)
        rows.append(f"{name:24} {len(those):5} {lines:7} {most:13} {longest:17}")
    every = [one for those in layers.values() for one in those]
    rows.append(f"{_SUM:24} {len(every):5} {sum(one.lines for one in every):7}")
    functions = sorted(
        (f for one in every for f in one.functions), key=lambda f: (-f.lines, f.path, f.at)
    )
    return "\n".join([*rows, "", "longest functions", *map(str, functions[:most_functions])])


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.size",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--functions", type=int, default=20, metavar="N", help="how many; else 20")
    parser.add_argument("--since", metavar="COMMIT", help="tell the trend from there, too")
    options = parser.parse_args()
    modules = tree_of(ROOT)
    print(as_table(modules, options.functions))
    if options.since is not None:
        print(f"\n{as_trend(modules, tree_at(options.since), options.since)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
