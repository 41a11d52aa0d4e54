"""`puna doctor`: what it finds, and that no key is ever shown."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result
from tests.support.doctor import CANARY, free, told

from puna.cli.diagnosis import examine_machine
from puna.cli.main import puna


def run(*arguments: str, **variables: str) -> Result:
    return CliRunner(env=variables).invoke(puna, ("doctor", *arguments))


def test_keys_are_named_and_never_shown() -> None:
    done = run("-p", str(free()), GROQ_API_KEY=CANARY, PUNA_MASTER_KEY=CANARY, HTTPS_PROXY=CANARY)
    assert "groq: GROQ_API_KEY set" in done.output
    assert "PUNA_MASTER_KEY set" in done.output
    assert "HTTPS_PROXY" in done.output
    assert CANARY not in done.output


def test_the_machine_is_described() -> None:
    text = told(examine_machine(free()), "ok")
    for words in ("Python 3.", "Linux on", "uvicorn", "is free", "open files"):
        assert words in text


def test_a_config_that_is_wrong_is_an_error_and_one_that_is_right_is_counted(
    tmp_path: Path,
) -> None:
    file = tmp_path / "größe.yaml"
    file.write_text("models: []\n")
    done = run("--config", str(file), "-p", str(free()), "--json")
    assert "größe.yaml" in done.output
    assert done.exit_code == 1
    found = [json.loads(line) for line in done.output.splitlines()]
    errors = [one["text"] for one in found if one["severity"] == "error"]
    assert "names no model" in errors[0]
    about = [one["text"] for one in found if one["about"] == "config"]
    assert about[0] == f"{file}:1: unknown key `models` (line 1): did you mean `model_list`?"
    file.write_text("model_list: [{model_name: m, litellm_params: {model: groq/x, api_key: k}}]\n")
    done = run("--config", str(file), "-p", str(free()))
    assert done.exit_code == 0
    assert "1 of 1 deployments usable" in done.output
