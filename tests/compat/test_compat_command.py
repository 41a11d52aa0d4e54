"""The `litellm` command: LiteLLM's flags."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.support.upstream import Received, Reply, Upstream

from litellm.command import main
from litellm.command_line import litellm as command

FLAGS = [
    "--host",
    "--port",
    "--num_workers",
    "--granian_threads",
    "--api_base",
    "--api_version",
    "--model",
    "--alias",
    "--add_key",
    "--headers",
    "--save",
    "--debug",
    "--detailed_debug",
    "--use_queue",
    "--temperature",
    "--max_tokens",
    "--request_timeout",
    "--drop_params",
    "--add_function_to_prompt",
    "--config",
    "--max_budget",
    "--log_config",
    "--setup",
    "--version",
    "--health",
    "--test",
    "--test_async",
    "--iam_token_db_auth",
    "--azure_postgresql_auth",
    "--num_requests",
    "--run_gunicorn",
    "--run_hypercorn",
    "--run_granian",
    "--ssl_keyfile_path",
    "--ssl_certfile_path",
    "--ciphers",
    "--use_prisma_db_push",
    "--local",
    "--skip_server_startup",
    "--validate_config",
    "--keepalive_timeout",
    "--timeout_worker_healthcheck",
    "--max_requests_before_restart",
    "--max_requests_before_restart_jitter",
    "--limit_concurrency",
    "--use_v2_migration_resolver",
    "--use_legacy_migration_resolver",
    "--reload",
    "--prometheus_metrics_port",
    "--help",
]


def _command(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "litellm"), *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": "", **environ},
    )


@pytest.mark.case(168)
def test_help_lists_every_flag_of_litellm() -> None:
    shown = CliRunner().invoke(command, ["--help"])

    assert shown.exit_code == 0
    missing = [flag for flag in FLAGS if f"{flag} " not in shown.output.replace("\n", " ")]
    assert missing == []


@pytest.mark.case(168)
def test_an_unknown_flag_exits_with_2_and_the_version_is_shown() -> None:
    unknown = CliRunner().invoke(command, ["--nope"])
    assert unknown.exit_code == 2
    for flag in ("--version", "-v"):
        shown = CliRunner().invoke(command, [flag])
        assert shown.exit_code == 0
        assert "1.106.2+puna." in shown.output


@pytest.mark.case(167)
def test_validate_config_answers_without_serving(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(
        "model_list:\n  - model_name: fast\n    litellm_params:\n"
        "      model: meta_llama/x\n      api_key: k\n      api_base: http://up.test/v1\n"
        "litellm_settings:\n  drop_parms: true\n"
    )
    bad.write_text("model_list: 3\n")

    valid = _command("--config", str(good), "--validate_config", "--use_queue", "--ciphers", "x")
    wrong = _command("--config", str(bad), "--validate_config")

    assert valid.returncode == 0, valid.stderr
    assert "valid" in valid.stdout
    assert "fast" in valid.stdout
    assert "drop_params" in valid.stderr
    assert "litellm: --use_queue is not used: there is no queue" in valid.stderr
    assert "litellm: --ciphers is not used" in valid.stderr
    assert wrong.returncode == 1
    (line,) = wrong.stderr.strip().splitlines()
    assert line.startswith("litellm: ")
    assert "bad.yaml" in line
    assert CliRunner().invoke(command, ["--validate_config"]).exit_code == 2


def test_main_exits_with_the_commands_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as shown:
        main(["--version"])
    assert shown.value.code == 0
    assert "1.106.2" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"litellm: nothing-here\.yaml"):
        main(["--config", "nothing-here.yaml", "--validate_config"])


@pytest.mark.case(169)
def test_a_start_can_be_checked_without_serving() -> None:
    flags = ["--model", "meta_llama/x", "--alias", "fast", "--detailed_debug"]

    checked = CliRunner().invoke(
        command, [*flags, "--api_base", "http://up.test/v1", "--skip_server_startup"]
    )

    assert checked.exit_code == 0, checked.output
    assert "fast" in checked.output
    nothing = CliRunner().invoke(command, ["--skip_server_startup"])
    assert "embedded/smollm2-135m" in nothing.output


@pytest.mark.case(168)
def test_a_port_in_use_is_one_line_and_status_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = _command("--port", str(port))

    assert run.returncode == 1
    assert str(port) in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.case(168)
def test_health_and_test_ask_a_running_gateway(upstream: Upstream) -> None:
    def play(received: Received) -> Reply:
        if received.method == "GET":
            return Reply.json({"data": [{"id": "fast"}]})
        return Reply.json({"asked": received.json["model"]})

    upstream.plays_always(play)
    at = ["--host", "127.0.0.1", "--port", str(upstream.port)]
    environ = {"LITELLM_MASTER_KEY": "sk-m"}

    health = CliRunner().invoke(command, [*at, "--health"], env=environ)
    tried = CliRunner().invoke(command, [*at, "--test"], env=environ)
    named = CliRunner().invoke(command, [*at, "--test", "--model", "mine"])

    assert json.loads(health.output) == {"data": [{"id": "fast"}]}
    assert json.loads(tried.output) == {"asked": "fast"}
    assert json.loads(named.output) == {"asked": "mine"}
    assert [sent.path for sent in upstream.requests] == [
        "/health",
        "/v1/models",
        "/v1/chat/completions",
        "/v1/chat/completions",
    ]
    assert upstream.requests[0].headers["authorization"] == "Bearer sk-m"
    upstream.plays_always(Reply.error(401))
    refused = CliRunner().invoke(command, [*at, "--health"])
    assert refused.exit_code == 1
    assert "401" in refused.output


def test_health_without_a_gateway_says_so() -> None:
    run = CliRunner().invoke(command, ["--port", "9", "--health"])

    assert run.exit_code == 1
    assert "Is a gateway running there?" in run.output


def test_without_the_gateways_packages_the_command_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise ModuleNotFoundError('no click', name='click')\n")
    script = "from litellm.command import main; main()"

    run = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path)},
    )

    assert run.returncode == 1
    assert run.stderr.strip().endswith("pip install 'litellm[proxy]'")
    assert "`click` is missing" in run.stderr
