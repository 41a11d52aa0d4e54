"""The suite gives the same verdict whatever dispositions of signals it inherits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.processes import environment

ROOT = Path(__file__).parents[1]
CTRL_C = "test_ctrl_c_before_an_answer_begins_stops_the_answer_and_not_the_conversation"


@pytest.mark.end_to_end
def test_a_test_that_sends_ctrl_c_passes_where_it_is_ignored_at_first() -> None:
    test = f"tests/cli/test_cli_chat.py::{CTRL_C}"
    command = f"trap '' INT; exec {sys.executable} -m pytest -q -n 0 -p no:cacheprovider {test}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[100%]" in done.stdout
