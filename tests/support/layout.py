"""Which test files belong to which module of `src/puna`.

`python -m tests.support.layout` prints how many modules have a test file of their own name.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIST = ROOT / "tests" / "layout.toml"


def modules() -> list[str]:
    """All modules as `wire/sse`; without the files of packages and of `python -m`."""
    source = ROOT / "src" / "puna"
    found = (path.relative_to(source).with_suffix("") for path in source.rglob("*.py"))
    return sorted(one.as_posix() for one in found if not one.name.startswith("__"))


def files_of_tests() -> list[str]:
    """All test files as `wire/test_wire_sse.py`."""
    tests = ROOT / "tests"
    return sorted(path.relative_to(tests).as_posix() for path in tests.rglob("test_*.py"))


def start_of(module: str) -> str:
    """How the test files of a module begin: `wire/test_wire_sse` for `wire/sse`."""
    folders, _, _ = module.rpartition("/")
    name = f"test_{module.replace('/', '_')}"
    return f"{folders}/{name}" if folders else name


def by_module(known: Sequence[str], files: Sequence[str]) -> Mapping[str, list[str]]:
    """The test files of each module's own name.

    A file belongs to the module with the longest name that its own begins with:
    `test_wire_sse_laws.py` to `wire/sse`, unless there is a module `wire/sse_laws`.
    """
    starts = {start_of(module): module for module in known}
    found: dict[str, list[str]] = {module: [] for module in known}
    for file in files:
        start = file.removesuffix(".py")
        while start not in starts and "_" in start.rpartition("/")[2]:
            start = start.rpartition("_")[0]
        if start in starts:
            found[starts[start]].append(file)
    return found


def through() -> dict[str, str]:
    """The list of those that are tested through a larger part: a pattern, and its test file."""
    listed: dict[str, str] = tomllib.loads(LIST.read_text(encoding="utf-8"))["through"]
    return listed


def matching(pattern: str, known: Sequence[str]) -> list[str]:
    """The modules that a line of the list is about."""
    return [module for module in known if fnmatchcase(module, pattern)]


def summary() -> str:
    """How many modules have a test file of their own name."""
    own = by_module(modules(), files_of_tests())
    count = sum(bool(files) for files in own.values())
    return (
        f"{count} of {len(own)} modules have a test file of their name; {len(own) - count} are "
        f"tested through a larger part ({LIST.relative_to(ROOT)})"
    )


if __name__ == "__main__":
    print(summary())
