"""`puna check`: what a file serves, and what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.asgi import CONFIG, MODEL
from tests.support.commands import run

SEED = CONFIG.replace("UPSTREAM", "http://127.0.0.1:9/v1")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(SEED)
    return path


def test_check_says_what_a_file_serves(file: Path) -> None:
    done = run("check", str(file), LLAMA_API_KEY="k")
    assert done.exit_code == 0
    assert f"1 deployments; models: {MODEL}" in done.output


def test_check_reports_warnings_and_strict_fails_on_them(file: Path) -> None:
    file.write_text(SEED + "litellm_settings: {drop_parms: true}\n")
    done = run("check", str(file), LLAMA_API_KEY="k")
    assert done.exit_code == 0
    assert f"{file}:8: warning: unknown key `drop_parms`" in done.output
    assert run("check", "--strict", str(file), LLAMA_API_KEY="k").exit_code == 1


def test_check_counts_usable_deployments_and_fails_on_one_that_is_not(file: Path) -> None:
    file.write_text(
        SEED + "  - model_name: other\n"
        "    litellm_params: {model: groq/x, api_key: os.environ/NOT_SET}\n"
    )
    done = run("check", str(file), LLAMA_API_KEY="k")
    assert done.exit_code == 1
    assert f"{file}:8: error: model `other` cannot be used" in done.output
    assert f"1 of 2 deployments usable; models: {MODEL}\n" in done.output
    allowed = run("check", "--allow-unset", str(file))
    assert allowed.exit_code == 0
    assert "0 of 2 deployments usable, 2 more with variables that are not set" in allowed.output
    assert f"models: {MODEL}, other" in allowed.output
    assert run("check", "--allow_unset", str(file)).exit_code == 0


def test_check_as_json_is_one_object_for_a_good_file_and_for_a_bad_one(file: Path) -> None:
    good = json.loads(run("check", "--json", str(file), LLAMA_API_KEY="k").output)
    assert (good["ok"], good["usable"], good["models"]) == (True, 1, [MODEL])
    assert good["deployments"][0]["is_usable"]
    file.write_text("models: []\n")
    done = run("check", "--json", str(file))
    bad = json.loads(done.output)
    assert (done.exit_code, bad["ok"], bad["usable"]) == (1, False, 0)
    assert "is it `models` on line 1?" in bad["problems"][0]
    assert bad["notices"][0]["message"].startswith("unknown key `models`")
    assert (bad["notices"][0]["severity"], bad["notices"][0]["line"]) == ("warning", 1)
    assert bad["notices"][0]["key"] == "models"


@pytest.mark.case(167)
@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("model_list: [", 1),
        ("a: 1\n\tb: 2\n", 2),
        ("model_list: 5\n", 1),
        ("model_list:\n  - litellm_params: {model: groq/x}\n", 2),
        ("model_list: []\nmodel_list: []\n", 2),
        (SEED + "      custom_llm_provider: none\n", 3),
        (SEED.replace("http:", "ftp:"), 3),
        (SEED + "router_settings: {routing_strategy: none}\n", 8),
    ],
)
@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_bad_file_is_one_line_with_its_place(
    file: Path, command: str, content: str, line: int
) -> None:
    file.write_text(content)
    arguments = ("check", str(file)) if command == "check" else ("serve", "--config", str(file))
    done = run(*arguments, LLAMA_API_KEY="k")
    assert done.exit_code == 1
    assert str(done.exception).startswith(f"{file}:{line}: ")
    assert "\n" not in str(done.exception)
