"""`puna serve`: what it reads, and what it says before it serves."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from tests.support.asgi import CONFIG
from tests.support.commands import run, start
from tests.support.server import Served
from tests.support.upstream import Upstream

from puna.cli.main import puna


@pytest.mark.case(170)
def test_the_environment_twins_are_read() -> None:
    options = {one.name: one.envvar for one in puna.commands["serve"].params}
    assert (options["config"], options["host"]) == ("CONFIG_FILE_PATH", "HOST")
    assert (options["port"], options["num_workers"]) == ("PORT", "NUM_WORKERS")
    assert run("serve", PORT="x").exit_code == 2


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
