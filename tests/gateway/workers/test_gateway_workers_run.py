"""Workers are replaced one after the other, and no client notices."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.asgi import CHAT, CONFIG
from tests.support.clients_at_work import Clients
from tests.support.processes import environment
from tests.support.server import Served, is_alive, read_all, request_bytes
from tests.support.upstream import Reply, Upstream

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("gateway")]

STREAM = {**CHAT, "stream": True}


@pytest.fixture(scope="module")
def up() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


def wait_for(served: Served, line: str) -> None:
    until = time.monotonic() + 60
    while line not in served.log:
        assert time.monotonic() < until, served.log
        time.sleep(0.05)


def models(served: Served) -> set[str]:
    _, _, body = served.request("GET", "/v1/models")
    return {one["id"] for one in json.loads(body)["data"]}


def test_sigusr2_replaces_all_workers_and_loses_no_request(up: Upstream, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    text = CONFIG.replace("UPSTREAM", up.url)
    path.write_text(text)
    with Served("--config", str(path), "--num_workers", "2", LLAMA_API_KEY="k") as served:
        assert served.request("POST", "/v1/chat/completions", CHAT)[0] == 200
        old = set(served.children)
        up.plays(Reply.text_stream(*["a"] * 80, pause_s=0.05))
        held = served.connect()
        held.sendall(request_bytes(STREAM, headers="connection: close\r\n"))
        assert held.recv(100).startswith(b"HTTP/1.1 200")
        clients = Clients(served.port)
        with held, clients.at_work():
            path.write_text(
                text.replace(
                    "model_list:",
                    "model_list:\n  - model_name: later\n"
                    '    litellm_params: {model: openai/x, api_base: "http://127.0.0.1:9/v1"}',
                    1,
                )
            )
            served.process.send_signal(signal.SIGUSR2)
            wait_for(served, "all workers are new")
            assert "later" in models(served)
            assert b"data: [DONE]" in read_all(held)
            before = clients.answers
            # A configuration that cannot be read: the new workers stay.
            kept = set(served.children)
            path.write_text("model_list: [")
            served.process.send_signal(signal.SIGUSR2)
            wait_for(served, "the workers stay as they are")
            assert kept <= set(served.children)
            assert "later" in models(served)
        assert clients.failures == []
        assert clients.answers > before > 20
        assert not any(map(is_alive, old - set(served.children)))
        assert "Traceback" not in served.log.partition("all workers are new")[0]


@pytest.mark.parametrize("workers", [1, 2])
def test_sigusr2_ends_no_process_that_serves(up: Upstream, tmp_path: Path, workers: int) -> None:
    """With one worker there is none to replace; systemd sends a signal to all processes."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("UPSTREAM", up.url))
    options = "--config", str(path), "--num_workers", str(workers)
    with Served(*options, LLAMA_API_KEY="k") as served:
        assert served.request("POST", "/v1/chat/completions", CHAT)[0] == 200
        up.plays(Reply.text_stream(*["a"] * 20, pause_s=0.05))
        with served.connect() as held:
            held.sendall(request_bytes(STREAM, headers="connection: close\r\n"))
            assert held.recv(100).startswith(b"HTTP/1.1 200")
            for pid in served.children or [served.process.pid]:
                os.kill(pid, signal.SIGUSR2)
            assert b"data: [DONE]" in read_all(held)
        if workers == 1:
            wait_for(served, "SIGUSR2 replaces workers, and there is only this process")
        assert served.process.poll() is None
        assert served.request("POST", "/v1/chat/completions", CHAT)[0] == 200
        assert "ended by SIGUSR2" not in served.log


def test_a_worker_that_dies_is_replaced(up: Upstream, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("UPSTREAM", up.url))
    with Served("--config", str(path), "--num_workers", "2", LLAMA_API_KEY="k") as served:
        assert served.request("POST", "/v1/chat/completions", CHAT)[0] == 200
        old = served.children
        os.kill(old[-1], signal.SIGKILL)
        until = time.monotonic() + 30
        while len(served.children) < len(old) or old[-1] in served.children:
            assert time.monotonic() < until
            time.sleep(0.1)
        for _ in range(4):
            assert served.request("POST", "/v1/chat/completions", CHAT)[0] == 200


def test_with_a_broken_file_a_lost_worker_is_tried_again_and_the_others_serve(
    up: Upstream, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("UPSTREAM", up.url))
    with Served("--config", str(path), "--num_workers", "2", LLAMA_API_KEY="k") as served:
        assert served.request("POST", "/v1/chat/completions", CHAT)[0] == 200
        path.write_text("model_list: [")
        os.kill(max(served.children), signal.SIGKILL)
        wait_for(served, "another one starts in 1 s")  # the second death
        assert served.request("POST", "/v1/chat/completions", CHAT)[0] == 200
        assert "Traceback" not in served.log
        assert f"error: {path}:1: not valid YAML" in served.log


def test_where_no_worker_comes_up_the_gateway_ends_with_status_1(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    config = CONFIG.replace("UPSTREAM", "http://127.0.0.1:9")
    path.write_text(f"{config}litellm_settings: {{callbacks: [own.note]}}\n")
    # Sound in the parent, which looks at it first, and broken in each worker.
    (tmp_path / "own.py").write_text(
        "import multiprocessing\nassert multiprocessing.parent_process() is None\n"
        "def note(event): ...\n"
    )
    command = [sys.executable, "-m", "puna.cli", "serve", "--port", "0", "--num_workers", "2"]
    ended = subprocess.run(
        [*command, "--config", str(path)],
        env=environment(LLAMA_API_KEY="k"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "there is nobody to serve" in ended.stderr
    assert "serving on" not in ended.stderr
