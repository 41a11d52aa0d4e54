"""`serve --record FOLDER`: each worker writes what upstreams answer, without keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.asgi import CHAT, CONFIG, MODEL, House
from tests.support.server import Served
from tests.support.upstream import TEXT, Reply, Upstream

from puna.client import Client, ClientSettings
from puna.embedded.supervisor import SupervisorPool
from puna.errors import AuthenticationError
from puna.gateway.deployments.transport import recording_transport

UPSTREAM_KEY = "sk-upstream-canary-90210"
MASTER_KEY = "sk-master-canary-31337"


def test_without_a_folder_nothing_is_recorded() -> None:
    assert recording_transport(None, {}, SupervisorPool()) is None


def test_what_an_upstream_answers_is_recorded_and_replays_in_the_sdk(
    upstream: Upstream, tmp_path: Path
) -> None:
    transport = recording_transport(str(tmp_path), {}, SupervisorPool())
    house = House(upstream, transport=transport)
    upstream.plays(Reply.error(401, "wrong key sk-llama-upstream-canary-7391"))
    assert house.ask().status == 401
    assert house.ask().status == 200
    (file,) = tmp_path.iterdir()
    recorded = json.loads(file.read_text())["exchanges"]
    assert [exchange["status"] for exchange in recorded] == [401, 200]
    assert "canary" not in file.read_text()

    environ = {"LLAMA_API_BASE": upstream.url}
    with Client(ClientSettings(environ=environ, max_retries=0), replay=file) as client:
        with pytest.raises(AuthenticationError, match="wrong key •••"):
            client.completion(MODEL, CHAT["messages"])
        assert client.completion(MODEL, CHAT["messages"]).choices[0].message.content == TEXT


@pytest.mark.end_to_end
@pytest.mark.xdist_group("gateway")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_served_gateway_records_into_a_folder(
    workers: int, upstream: Upstream, tmp_path: Path
) -> None:
    config, folder = tmp_path / "config.yaml", tmp_path / "tapes"
    config.write_text(CONFIG.replace("UPSTREAM", upstream.url))
    folder.mkdir()
    options = ("--config", str(config), "--num_workers", str(workers), "--record", str(folder))
    keys: dict[str, Any] = {"LLAMA_API_KEY": UPSTREAM_KEY, "PUNA_MASTER_KEY": MASTER_KEY}
    headers = {"authorization": f"Bearer {MASTER_KEY}"}
    with Served(*options, "--host", "127.0.0.1", **keys) as served:
        for body in (CHAT, {**CHAT, "stream": True}):
            assert served.request("POST", "/v1/chat/completions", body, headers)[0] == 200
    texts = [file.read_text() for file in folder.iterdir()]
    assert len(texts) == workers
    assert "canary" not in "".join(texts)
    recorded = [exchange for text in texts for exchange in json.loads(text)["exchanges"]]
    assert len(recorded) == 2
    assert {exchange["status"] for exchange in recorded} == {200}
