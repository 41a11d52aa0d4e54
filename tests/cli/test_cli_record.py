"""`puna record`: a cassette that replays."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tests.support.asgi import CONFIG, MODEL
from tests.support.commands import run
from tests.support.server import Served
from tests.support.upstream import TEXT, Upstream

from puna import Client, ClientSettings


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
