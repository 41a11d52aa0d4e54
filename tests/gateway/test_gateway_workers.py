"""Workers are replaced one after the other, and no client notices."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.asgi import CHAT, CONFIG
from tests.support.server import Served, is_alive
from tests.support.upstream import Upstream

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("gateway")]

STREAM = {**CHAT, "stream": True}


class Clients:
    """Threads that ask one after the other over a kept connection, plain and streamed."""

    def __init__(self, served: Served) -> None:
        self.failures: list[str] = []
        self.answers = 0
        self._port = served.port
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(4)]

    @contextmanager
    def at_work(self) -> Generator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in self._threads:
                thread.join(20)

    def _ask(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        body = json.dumps(STREAM if number % 2 else CHAT)
        while not self._is_over.is_set():
            try:
                connection.request("POST", "/v1/chat/completions", body)
                reply = connection.getresponse()
                text = reply.read()
                is_good = reply.status == 200 and (b"[DONE]" in text or number % 2 == 0)
                if not is_good:
                    self.failures.append(f"{reply.status} {text[:200]!r}")
            except OSError as error:
                self.failures.append(repr(error))
                connection.close()
            self.answers += 1
            time.sleep(0.005)
        connection.close()


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


def test_sighup_replaces_all_workers_and_loses_no_request(up: Upstream, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    text = CONFIG.replace("UPSTREAM", up.url)
    path.write_text(text)
    with Served("--config", str(path), "--num_workers", "2", LLAMA_API_KEY="k") as served:
        assert served.request("POST", "/v1/chat/completions", CHAT)[0] == 200
        old = set(served.children)
        clients = Clients(served)
        with clients.at_work():
            path.write_text(
                text.replace(
                    "model_list:",
                    "model_list:\n  - model_name: later\n"
                    '    litellm_params: {model: openai/x, api_base: "http://127.0.0.1:9/v1"}',
                    1,
                )
            )
            served.process.send_signal(signal.SIGHUP)
            wait_for(served, "SIGHUP: all workers are new")
            assert "later" in models(served)
            before = clients.answers
            # A configuration that cannot be read: the new workers stay.
            kept = set(served.children)
            path.write_text("model_list: [")
            served.process.send_signal(signal.SIGHUP)
            wait_for(served, "old workers stay")
            assert kept <= set(served.children)
            assert "later" in models(served)
        assert clients.failures == []
        assert clients.answers > before > 20
        assert not any(map(is_alive, old - set(served.children)))
        assert "Traceback" not in served.log.partition("SIGHUP: all workers")[0]


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
