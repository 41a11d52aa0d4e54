"""A test that hangs fails by its name, within the limit of `pyproject.toml`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = Path(__file__).parents[1] / "pyproject.toml"


def test_every_test_has_a_time_limit(request: pytest.FixtureRequest) -> None:
    assert 0 < float(str(request.config.getini("timeout"))) <= 600


@pytest.mark.parametrize("hang", ["import time; time.sleep(60)", "while True: pass"])
def test_a_test_that_hangs_is_named(hang: str, tmp_path: Path) -> None:
    file = tmp_path / "test_some.py"
    file.write_text(f"def test_good(): pass\n\ndef test_hangs():\n    {hang}\n")
    limits = ["-p", "no:cacheprovider", "-n", "0", "--timeout", "0.5"]

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", str(CONFIG), *limits, str(file)],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert "test_hangs" in done.stdout
    assert "Timeout (>0.5s)" in done.stdout
    assert "1 failed, 1 passed" in done.stdout
