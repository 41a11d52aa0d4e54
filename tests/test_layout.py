"""Tests mirror `src/puna`: each module's are found by its name, and no file is too long to read."""

from __future__ import annotations

import re
from collections import Counter

from tests.support.layout import (
    ROOT,
    by_module,
    files_of_tests,
    matching,
    modules,
    start_of,
    through,
)

LONGEST = 400
MODULES, FILES = modules(), files_of_tests()
OWN = by_module(MODULES, FILES)


def test_each_module_has_a_test_file_of_its_name_or_stands_in_the_list() -> None:
    listed = {module for pattern in through() for module in matching(pattern, MODULES)}
    lost = [m for m in MODULES if not OWN[m] and m not in listed]
    assert not lost, (
        "no tests are found by the names of these modules; name a file so, or add a line to "
        f"tests/layout.toml: {', '.join(f'{m} (tests/{start_of(m)}.py)' for m in lost)}"
    )


def test_the_list_holds_only_modules_without_a_file_of_their_name() -> None:
    needless = [
        pattern for pattern in through() if all(OWN[one] for one in matching(pattern, MODULES))
    ]
    assert not needless, f"remove these lines from tests/layout.toml: {', '.join(needless)}"


def test_the_list_names_test_files_that_are_there() -> None:
    assert sorted(set(through().values()) - set(FILES)) == []


def test_a_test_file_is_named_after_its_folders() -> None:
    mirrored = {path.name for path in (ROOT / "src" / "puna").iterdir() if path.is_dir()}
    odd = [
        file
        for file in FILES
        if file.partition("/")[0] in mirrored
        and not re.match(f"test_{'_'.join(file.split('/')[:-1])}(_|\\.)", file.rpartition("/")[2])
    ]
    assert odd == []


def test_no_two_test_files_have_one_name() -> None:
    """pytest imports them by their names alone."""
    counts = Counter(file.rpartition("/")[2] for file in FILES)
    assert [name for name, count in counts.items() if count > 1] == []


def test_no_file_of_tests_has_more_than_400_lines() -> None:
    files = [path for path in (ROOT / "tests").rglob("*.py") if "node_modules" not in path.parts]
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    long = [
        f"{path.relative_to(ROOT)}: {count}" for path, count in lines.items() if count > LONGEST
    ]
    assert not long, f"split these where ideas split: {', '.join(sorted(long))}"


def test_files_go_to_the_module_with_the_longest_name() -> None:
    known = ["wire/sse", "wire/sse_laws", "errors", "wire/fold"]
    files = [
        "wire/test_wire_sse.py",
        "wire/test_wire_sse_laws_more.py",
        "wire/test_wire_sse_hostile.py",
        "wire/test_wire_ssex.py",
        "test_errors.py",
        "wire/test_errors.py",
    ]
    assert by_module(known, files) == {
        "wire/sse": [files[0], files[2]],
        "wire/sse_laws": [files[1]],
        "errors": [files[4]],
        "wire/fold": [],
    }
