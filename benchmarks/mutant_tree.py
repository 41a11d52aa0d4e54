"""A copy of the project in which a fault is planted and tests run, with an environment of its own.

The copy's environment has its own `python`, `puna` and `litellm` over the copy's sources, so that
programs which a test starts run the planted fault, too. All other packages are the project's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copy2

from benchmarks.mutations import Mutant

MARKS = "not released_client"
# Of all tests that meet one mutant, and of one test: a fault that makes an endless loop is noticed.
_RUN_LIMIT_S = 1_800
_TEST_LIMIT_S = 120
_PASSED, _FAILED, _WRONG_NAMES, _NO_TEST = 0, 1, 4, 5


@dataclass(frozen=True, slots=True)
class Tree:
    """One copy; used by one thread at a time."""

    root: Path

    @classmethod
    def copy(cls, project: Path, root: Path) -> Tree:
        """Copy the files that git tracks and make the environment."""
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=project, check=True, capture_output=True, text=True
        )
        for name in listed.stdout.split("\0"):
            if name:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                copy2(project / name, root / name)
        _make_environment(root)
        return cls(root)

    @property
    def python(self) -> str:
        """The interpreter that runs the copy's sources."""
        return str(self.root / ".venv" / "bin" / "python")

    def measure(self, target: Path) -> str:
        """Run the suite, write its coverage with a context for each test, and return the root.

        Raises:
            SystemExit: Tests fail without any planted fault.
        """
        cover = ["--cov", "--cov-context=test", "--cov-report=", "--cov-fail-under=0"]
        if self._pytest([*cover, "-m", MARKS], None):
            raise SystemExit("the suite fails without a mutant: mend that first")
        copy2(self.root / ".coverage", target)
        return str(self.root)

    def known_tests(self) -> frozenset[str]:
        """The names of all tests.

        Raises:
            SystemExit: pytest lists none, as with one `-q` too many.
        """
        listed = subprocess.run(
            [self.python, "-m", "pytest", "--collect-only", "-n", "0", "-m", MARKS],
            cwd=self.root,
            check=True,
            capture_output=True,
            text=True,
        )
        names = frozenset(line for line in listed.stdout.splitlines() if "::" in line)
        if not names:
            raise SystemExit("pytest lists no names of tests: no line would have its own")
        return names

    def folders_of(self, path: str) -> list[str]:
        """The tests that mirror the layer of a source file, and those of the generated pages."""
        layer = Path(path).relative_to("src/puna").parts[0].removesuffix(".py")
        if layer == "__init__":
            layer = "api"  # what the package itself gives
        tests = [self.root / "tests" / layer, *(self.root / "tests").glob(f"test_{layer}*.py")]
        tests.append(self.root / "tests" / "docs" / "test_docs_generate.py")
        return [str(one.relative_to(self.root)) for one in tests if one.exists()]

    def files_of(self, path: str) -> list[str]:
        """The files of tests that are named after a source file."""
        parts = Path(path).relative_to("src/puna").with_suffix("").parts
        found = (self.root / "tests" / parts[0]).glob(f"test_{'_'.join(parts)}*.py")
        return sorted(str(one.relative_to(self.root)) for one in found)

    @contextmanager
    def planted(self, mutant: Mutant) -> Generator[None]:
        """The copy with the fault, until the block ends."""
        file = self.root / mutant.path
        source = file.read_bytes()
        file.write_bytes(mutant.planted_in(source))
        try:
            yield
        finally:
            file.write_bytes(source)

    def run(self, tests: Sequence[str], marks: str, *, brief_s: float | None = None) -> str:
        """What the tests make of the planted fault: `killed`, `too slow`, or nothing.

        With `brief_s` it is nothing, too, when none of them has failed after so many seconds.
        """
        if not tests:
            return ""
        limit_s = brief_s or _RUN_LIMIT_S
        names = self.root / ".tests"
        names.write_text("\n".join(tests))
        chosen = ["-n", "0", "-x", "-m", f"{MARKS} and {marks}", f"@{names}"]
        code = self._pytest(chosen, limit_s)
        if code == _WRONG_NAMES:  # the fault changed the names of parametrized tests
            names.write_text("\n".join(dict.fromkeys(test.split("::")[0] for test in tests)))
            code = self._pytest(chosen, limit_s)
        if code is None:
            return "too slow" if brief_s is None else ""
        return "" if code in {_PASSED, _NO_TEST} else "killed"

    def _pytest(self, arguments: Sequence[str], limit_s: float | None) -> int | None:
        """Pytest's exit code, or nothing where it had to be ended."""
        limits: list[str] = []
        if limit_s:
            test_s = min(_TEST_LIMIT_S, limit_s / 2)
            limits = ["--timeout", str(test_s), "--hypothesis-profile", "brief"]
        with subprocess.Popen(
            [self.python, "-B", "-m", "pytest", "-p", "no:cacheprovider", *limits, *arguments],
            cwd=self.root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                return process.wait(limit_s)
            except subprocess.TimeoutExpired:
                return None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)


def _make_environment(root: Path) -> None:
    place = root / ".venv"
    venv.create(place, symlinks=True)
    ours = sysconfig.get_path("purelib", vars={"base": str(place)})
    theirs = sysconfig.get_path("purelib")
    sources = f"{root / 'src'}\n{root / 'compat' / 'litellm' / 'src'}\n"
    # The copy's sources come first; then the packages of the environment that runs this.
    (Path(ours) / "copy.pth").write_text(f"{sources}import site; site.addsitedir({theirs!r})\n")
    shebang = f"#!{sys.executable}"
    for name in ("puna", "litellm"):
        script = (Path(sys.executable).parent / name).read_text()
        file = place / "bin" / name
        file.write_text(script.replace(shebang, f"#!{place / 'bin' / 'python'}"))
        file.chmod(0o755)
