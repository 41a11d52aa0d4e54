"""`puna doctor`: what it finds, and that no key is ever shown or sent."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.support.upstream import Upstream

from puna.cli.diagnosis import Finding, examine_machine, examine_variables
from puna.cli.main import puna
from puna.cli.reaching import examine_hosts, hosts_of

CANARY = "sk-canary-doctor-77"


def run(*arguments: str, **variables: str) -> Result:
    return CliRunner(env=variables).invoke(puna, ("doctor", *arguments))


def told(findings: list[Finding], severity: str) -> str:
    return "\n".join(one.text for one in findings if one.severity == severity)


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


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


def test_a_port_that_is_taken_is_a_warning() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} is taken" in told(examine_machine(port), "warning")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"GROQ_API_KEY": "  "}, "GROQ_API_KEY is blank"),
        ({"GROQ_API_KEY": '"gsk"'}, "GROQ_API_KEY holds quotes"),
        ({"GROQ_API_KEY": "..."}, "GROQ_API_KEY holds a placeholder"),
        ({"SSL_CERT_FILE": "/nowhere/c.pem"}, "SSL_CERT_FILE names no file"),
    ],
)
def test_values_that_cannot_be_meant_are_warnings(environ: dict[str, str], words: str) -> None:
    assert words in told(examine_variables(environ), "warning")


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


def test_hosts_are_reached_without_a_key(upstream: Upstream) -> None:
    environ = {"GROQ_API_KEY": CANARY, "GROQ_API_BASE": upstream.url, "TERM": "x"}
    assert hosts_of(environ, None) == {"groq": upstream.url}
    (found,) = examine_hosts(hosts_of(environ, None))
    assert (found.severity, "answers" in found.text) == ("ok", True)
    assert CANARY not in repr(upstream.requests[0].headers)


def test_a_host_that_is_not_there_is_an_error_that_says_what_to_do() -> None:
    (found,) = examine_hosts({"groq": f"http://127.0.0.1:{free()}/v1"})
    assert found.severity == "error"
    assert "nothing listens there" in found.text
