"""Counts the instructions of parts of a Python program, by `valgrind --tool=callgrind`.

A part begins and ends with a `mark`: a call of the C library's `getppid`, which no program here
makes otherwise. Callgrind writes its counts down at each and begins anew, so a program's start and
what it prepares count nowhere.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import ROOT, environment

_LIMIT_S = 900
_TOTAL = re.compile(r"^totals: (\d+)$", re.MULTILINE)
# String hashes decide how dicts probe.
_FIXED = {"PYTHONHASHSEED": "0"}


@contextmanager
def counted() -> Generator[None]:
    """A part that is counted, in the program."""
    mark()
    yield
    mark()


mark = os.getppid


def count(module: str, arguments: Sequence[str]) -> list[int]:
    """Instructions of each counted part of `python -m module ARGUMENTS`.

    Raises:
        RuntimeError: there is no valgrind, or the program failed.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise RuntimeError("valgrind is not installed (Debian: apt-get install valgrind)")
    program = [sys.executable, "-m", module, *arguments]
    # First without: byte code is on disk then, and a program that compiles has another layout.
    _run(program)
    with tempfile.TemporaryDirectory() as folder:
        _run(
            [
                valgrind,
                "--tool=callgrind",
                "--dump-before=getppid",
                f"--callgrind-out-file={folder}/counts",
                f"--log-file={folder}/log",
                *program,
            ]
        )
        return _read_parts(Path(folder))


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**environment(), **_FIXED},
        timeout=_LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        said = "\n".join(done.stderr.splitlines()[-30:])
        raise RuntimeError(f"{' '.join(command)} failed:\n{said}")


def _read_parts(folder: Path) -> list[int]:
    """The files are numbered; one that ends where a part begins holds what came before it."""
    marks = len(list(folder.glob("counts.*")))
    return [
        int(_TOTAL.findall(Path(folder, f"counts.{number}").read_text())[-1])
        for number in range(2, marks + 1, 2)
    ]
