"""The `puna` command, in this process and as one of its own."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from tests.support.asgi import CONFIG, MODEL
from tests.support.processes import environment
from tests.support.server import Served
from tests.support.upstream import TEXT, Reply, Upstream

from puna import Client, ClientSettings, __version__
from puna.cli.main import main, puna

SEED = CONFIG.replace("UPSTREAM", "http://127.0.0.1:9/v1")
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


def run(*arguments: str, stdin: str | None = None, **variables: str) -> Result:
    """The command in this process."""
    return CliRunner(env=variables).invoke(puna, arguments, input=stdin)


def start(*arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """The command as a process that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "puna.cli", *arguments],
        env=environment(**variables),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


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


@pytest.mark.case(170)
def test_the_environment_twins_are_read() -> None:
    options = {one.name: one.envvar for one in puna.commands["serve"].params}
    assert (options["config"], options["host"]) == ("CONFIG_FILE_PATH", "HOST")
    assert (options["port"], options["num_workers"]) == ("PORT", "NUM_WORKERS")
    assert run("serve", PORT="x").exit_code == 2


def test_models_lists_the_catalogue() -> None:
    shown = run("models").output
    assert MODEL in shown
    assert "128000" in shown
    rows = [json.loads(line) for line in run("models", "--json").output.splitlines()]
    assert any(row["model"] == MODEL and row["max_output_tokens"] == 4028 for row in rows)


# check


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


@pytest.mark.end_to_end
@pytest.mark.case(168)
def test_a_port_in_use_is_one_line_and_status_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = start("serve", "--port", port, "--host", "127.0.0.1")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"cannot listen on 127.0.0.1:{port}" in line


@pytest.mark.end_to_end
def test_a_certificate_that_is_none_is_one_line_and_status_1(tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    file.write_text("no certificate")
    key, both = ("--ssl_keyfile_path", str(file)), ("--ssl_certfile_path", str(file))
    for options in (key, both, key + both, (*key, *both, "--num_workers", "2")):
        done = start("serve", "--port", "0", *options)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith("puna: ")
        assert "--ssl_certfile_path" in line


@pytest.mark.end_to_end
@pytest.mark.case(169)
def test_serve_with_one_model_and_no_file(upstream: Upstream) -> None:
    options = ("--model", "meta_llama/X", "--api_base", upstream.url, "--alias", "x")
    with Served(*options) as served:
        assert "models: x" in served.log
        body = {"model": "x", "messages": [{"role": "user", "content": "hi"}]}
        assert served.request("POST", "/v1/chat/completions", body)[0] == 200
        assert upstream.requests[0].json["model"] == "X"


@pytest.mark.end_to_end
@pytest.mark.case(158, 170)
def test_an_open_gateway_on_every_address_warns_loudly(upstream: Upstream, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("UPSTREAM", upstream.url) + "router_settings: {none: 1}\n")
    variables: dict[str, Any] = {"CONFIG_FILE_PATH": str(path), "HOST": "0.0.0.0"}  # noqa: S104 - what is tested
    with Served(LLAMA_API_KEY="k", **variables) as served:
        assert "EVERYONE WHO CAN REACH THIS ADDRESS" in served.log
        assert "WARNING: set general_settings.master_key" in served.log
        assert (
            "warning: unknown key `none`" in served.log
            or "warning: line 8: unknown key" in served.log
        )
    with Served(LITELLM_MASTER_KEY="sk-m", LLAMA_API_KEY="k", CONFIG_FILE_PATH=str(path)) as served:
        assert served.host == "0.0.0.0"  # noqa: S104 - what is tested
        assert "open:" not in served.log
        assert "sk-m" not in served.log
        assert served.request("GET", "/v1/models")[0] == 401


# chat


def test_chat_asks_a_gateway_one_question(upstream: Upstream) -> None:
    done = run(
        "chat",
        "--api_base",
        upstream.url,
        "-m",
        MODEL,
        "--system",
        "Be brief.",
        "Hello",
        "there",
        LITELLM_PROXY_API_KEY="k",
    )
    assert done.exit_code == 0
    assert done.stdout == f"{TEXT}\n"
    sent = upstream.requests[0].json
    assert sent["model"] == MODEL
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello there"},
    ]


def test_chat_holds_a_conversation_and_survives_an_error(upstream: Upstream) -> None:
    upstream.plays(Reply.text_stream("one"), Reply.error(400, "no good"), Reply.text_stream("two"))
    done = run("chat", "--api_base", upstream.url, "-m", "m", stdin="a\nb\nc\n\n")
    assert done.exit_code == 0
    assert done.stdout.replace("\n", "") == "onetwo"
    assert "no good" in done.stderr
    said = [message["content"] for message in upstream.requests[-1].json["messages"]]
    assert said == ["a", "one", "c"]


@pytest.mark.end_to_end
def test_ctrl_c_before_an_answer_begins_stops_the_answer_and_not_the_conversation(
    upstream: Upstream,
) -> None:
    upstream.plays(Reply(delay_s=30.0), Reply.text_stream("two"))
    command = [sys.executable, "-m", "puna.cli", "chat", "--api_base", upstream.url, "-m", "m"]
    with subprocess.Popen(
        command,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as chat:
        assert chat.stdin is not None
        chat.stdin.write("a\n")
        chat.stdin.flush()
        deadline = time.monotonic() + 30
        while not upstream.requests and time.monotonic() < deadline:
            time.sleep(0.05)
        chat.send_signal(signal.SIGINT)
        out, err = chat.communicate("b\n\n", timeout=30)
    assert (chat.returncode, out, err) == (0, "[stopped]\ntwo\n", "")
    assert [one["content"] for one in upstream.requests[-1].json["messages"]] == ["b"]


def test_chat_ends_with_its_input(upstream: Upstream) -> None:
    assert run("chat", "--api_base", upstream.url, "-m", "m", stdin="").exit_code == 0
    assert upstream.requests == []


@pytest.mark.end_to_end
@pytest.mark.xdist_group("embedded")
def test_chat_asks_the_embedded_model() -> None:
    done = start("chat", "--max_tokens", "8", "--temperature", "0", "Name a colour.")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "loading smollm2-135m" in done.stderr


@pytest.mark.end_to_end
def test_chat_with_an_unknown_model_is_one_line_and_status_1() -> None:
    done = start("chat", "-m", "none/x", "Hi")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("puna: Unknown provider `none`")


@pytest.fixture
def arguments() -> Iterator[list[str]]:
    before = sys.argv
    sys.argv = ["puna"]
    yield sys.argv
    sys.argv = before


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


@pytest.mark.end_to_end
@pytest.mark.xdist_group("gateway")
def test_record_serves_and_writes_a_cassette_that_replays(tmp_path: Path) -> None:
    config, tape = tmp_path / "config.yaml", tmp_path / "tape.json"
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
    with Upstream() as upstream:
        config.write_text(CONFIG.replace("UPSTREAM", upstream.url))
        command = ("record", str(tape))
        with Served(
            "--config", str(config), command=command, LLAMA_API_KEY="sk-canary-1"
        ) as served:
            assert served.request("POST", "/v1/chat/completions", body)[0] == 200
            assert served.stop(signal.SIGINT) == 0
    assert f"recording into {tape}" in served.log
    assert f"1 exchange in {tape}; to replay: Client(replay=" in served.log
    assert "canary" not in tape.read_text()
    with Client(ClientSettings(environ={"LLAMA_API_KEY": "k"}), replay=tape) as client:
        assert client.completion(MODEL, body["messages"]).choices[0].message.content == TEXT


@pytest.mark.end_to_end
@pytest.mark.xdist_group("gateway")
def test_record_says_how_much_it_wrote(tmp_path: Path) -> None:
    tape = tmp_path / "tape.json"
    with Served(command=("record", str(tape))) as served:
        served.request("GET", "/health/liveliness")
        assert served.stop() == 0
    assert f"0 exchanges in {tape}" in served.log


@pytest.mark.end_to_end
@pytest.mark.xdist_group("gateway")
def test_record_tells_when_its_file_is_gone(tmp_path: Path) -> None:
    tape = tmp_path / "tape.json"
    with Served(command=("record", str(tape))) as served:
        tape.unlink()
        assert served.stop() == 1
    assert f"puna: {tape}: the cassette is gone" in served.log
    assert "Traceback" not in served.log


def test_record_overwrites_nothing_and_needs_its_folder(tmp_path: Path) -> None:
    there = tmp_path / "tape.json"
    there.write_text("{}")
    for path, said in ((there, "is there already"), (tmp_path / "no" / "tape.json", "no folder")):
        result = run("record", str(path))
        assert result.exit_code == 2
        assert said in " ".join(result.output.split())
    assert there.read_text() == "{}"
