"""The `puna` command, in this process and as one of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from tests.support.commands import run, start

from puna import __version__
from puna.cli.main import main, puna

OPTIONS = (
    "--config",
    "--model",
    "--alias",
    "--api_base",
    "--temperature",
    "--max_tokens",
    "--request_timeout",
    "--drop_params",
    "--host",
    "--port",
    "--num_workers",
    "--debug",
    "--detailed_debug",
)


@pytest.fixture
def arguments() -> Iterator[list[str]]:
    before = sys.argv
    sys.argv = ["puna"]
    yield sys.argv
    sys.argv = before


def test_help_names_the_commands_and_the_version_is_shown() -> None:
    shown = run("--help")
    assert shown.exit_code == 0
    for name in ("serve", "record", "chat", "models", "check"):
        assert f"\n  {name} " in shown.output
        assert run(name, "-h").exit_code == 0
    assert __version__ in run("--version").output


@pytest.mark.case(168)
def test_the_options_of_serve_are_in_its_help() -> None:
    shown = run("serve", "--help").output
    assert [name for name in OPTIONS if name not in shown] == []


@pytest.mark.case(168)
@pytest.mark.parametrize(
    "arguments",
    [
        ("serve", "--no-such-flag"),
        ("serve", "--port", "x"),
        ("serve", "--port", "70000"),
        ("serve", "--num_workers", "0"),
        ("serve", "--request_timeout", "0"),
        ("chat", "--max_tokens", "-1"),
        ("check",),
        ("no-such-command",),
    ],
)
def test_a_wrong_use_exits_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("command", ["serve", "record", "chat", "check", "doctor", "models"])
def test_in_every_option_hyphens_and_underscores_are_the_same(command: str) -> None:
    for option in puna.commands[command].params:
        for name in option.opts:
            if name.startswith("--"):
                for spelling in (name.replace("_", "-"), "--" + name[2:].replace("-", "_")):
                    # The help comes first: behind an option it is a value, and `serve` serves.
                    said = run(command, "--help", spelling).output
                    assert "No such option" not in said
    assert "No such option" in run(command, "--no-such-option").output


# As a process


@pytest.mark.end_to_end
@pytest.mark.case(167)
@pytest.mark.parametrize("command", [("check",), ("serve", "--config")])
@pytest.mark.parametrize("name", ["missing.yaml", "bad.yaml"])
def test_an_error_is_one_line_on_stderr_and_status_1(
    tmp_path: Path, command: tuple[str, ...], name: str
) -> None:
    (tmp_path / "bad.yaml").write_text("model_list: 5\n")
    done = start(*command, str(tmp_path / name))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"puna: {tmp_path / name}:")
    assert done.stdout == ""


def test_main_turns_our_errors_into_status_1(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments += ["check", "/none.yaml"]
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    assert capsys.readouterr().err.startswith("puna: /none.yaml: ")


def test_the_command_group_loads_little() -> None:
    code = "import puna.cli, sys; assert not {'uvicorn', 'pydantic', 'httpx2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert isinstance(puna, click.Group)
