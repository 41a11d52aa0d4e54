"""More clients than a gateway may have: idle ones make room, and some files are kept."""

from __future__ import annotations

import json
import math
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.support.asgi import CHAT, CONFIG
from tests.support.lanes import Wire
from tests.support.server import Served, open_files, read_all, request_bytes
from tests.support.upstream import Reply, Upstream

from puna.gateway.server.client_limits import ClientLimits
from puna.gateway.server.connection_limit import ConnectionLimit

ENDING = request_bytes(CHAT, headers="connection: close\r\n")


@dataclass(eq=False)
class Connection:
    idle_since: float
    transport: Wire = field(default_factory=Wire)


def clients_of(*idle_since: float) -> list[Connection]:
    return [Connection(one) for one in idle_since]


def left_of(clients: list[Connection]) -> list[float]:
    return [one.idle_since for one in clients if not one.transport.is_closed]


def test_below_its_limits_nobody_is_sent_away() -> None:
    clients = clients_of(0.0, 1.0, 100.0)
    limit = ConnectionLimit(ClientLimits(connections=3, files=50))
    assert limit.has_room(clients, clients[2], 49, 100.0)
    assert left_of(clients) == [0.0, 1.0, 100.0]


@pytest.mark.parametrize(("connections", "number"), [(3, 0), (99, 50)])
def test_the_longest_idle_makes_room(connections: int, number: int) -> None:
    clients = clients_of(math.inf, 7.0, 5.0, 100.0)
    limit = ConnectionLimit(ClientLimits(connections=connections, files=50))
    assert limit.has_room(clients, clients[3], number, 100.0)
    assert left_of(clients) == [math.inf, 7.0, 100.0]


def test_many_make_room_at_a_time_among_many() -> None:
    clients = clients_of(*(float(at) for at in range(640)), 1_000.0)
    limit = ConnectionLimit(ClientLimits(connections=640))
    assert limit.has_room(clients, clients[-1], 0, 1_000.0)
    assert left_of(clients) == [*(float(at) for at in range(11, 640)), 1_000.0]


def test_where_nobody_is_idle_the_newest_goes(caplog: pytest.LogCaptureFixture) -> None:
    clients = clients_of(math.inf, math.inf, 99.5, 100.0)  # the third is about to ask
    limit = ConnectionLimit(ClientLimits(connections=3))
    assert not limit.has_room(clients, clients[3], 0, 100.0)
    assert left_of(clients) == [math.inf, math.inf, 99.5, 100.0]
    clients[0].idle_since = 1.0
    assert not limit.has_room(clients, clients[3], 0, 100.05)  # it does not look each time
    assert limit.has_room(clients, clients[3], 0, 100.1)
    assert caplog.text.count("4 clients are connected") == 1
    assert limit.has_room(clients, clients[3], 0, 111.0)
    assert caplog.text.count("4 clients are connected") == 2


@pytest.mark.end_to_end
@pytest.mark.xdist_group("gateway")
def test_silent_clients_leave_files_for_those_that_ask(upstream: Upstream, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("UPSTREAM", upstream.url))
    with Served("--config", str(path), open_files=96, LLAMA_API_KEY="k") as served:
        held: list[socket.socket] = [served.connect() for _ in range(150)]
        time.sleep(1.2)
        for _ in range(3):
            assert served.talk(ENDING).startswith(b"HTTP/1.1 200 ")
        assert open_files(served.process.pid) < 96
        assert "clients are connected" in served.log
        held += [served.connect() for _ in range(150)]
        upstream.plays(Reply.hang())
        for one in held:
            one.close()
        assert served.request("GET", "/health/liveliness")[0] == 200


@pytest.mark.end_to_end
@pytest.mark.xdist_group("gateway")
def test_the_newest_is_told_where_all_are_busy(upstream: Upstream, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        CONFIG.replace("UPSTREAM", upstream.url) + "general_settings: {max_connections: 3}\n"
    )
    with Served("--config", str(path), LLAMA_API_KEY="k") as served:
        upstream.plays(*(Reply.hang() for _ in range(3)))
        busy = [served.connect() for _ in range(3)]
        for one in busy:
            one.sendall(request_bytes(CHAT))
        while len(upstream.requests) < 3:
            time.sleep(0.02)
        with served.connect() as newest:
            got = read_all(newest)
        assert got.startswith(b"HTTP/1.1 503 ")
        assert json.loads(got.partition(b"\r\n\r\n")[2])["error"]["code"] == "too_many_connections"
        for one in busy:
            one.close()


@pytest.mark.end_to_end
@pytest.mark.xdist_group("gateway")
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("chunked", [False, True])
def test_413_reaches_a_client_that_still_writes(
    upstream: Upstream, tmp_path: Path, version: str, *, chunked: bool
) -> None:
    if chunked and version == "1.0":
        version = "1.1"
    path = tmp_path / "config.yaml"
    path.write_text(
        CONFIG.replace("UPSTREAM", upstream.url) + "general_settings: {max_request_size_mb: 0.1}\n"
    )
    size = 6 << 20
    framing = "transfer-encoding: chunked" if chunked else f"content-length: {size}"
    head = (
        f"POST /v1/chat/completions HTTP/{version}\r\nhost: x\r\nconnection: close\r\n{framing}"
        "\r\n\r\n"
    )
    body = b" " * size
    data = b"%x\r\n%b\r\n0\r\n\r\n" % (size, body) if chunked else body
    with Served("--config", str(path), LLAMA_API_KEY="k") as served, served.connect() as made:
        made.sendall(head.encode())
        made.sendall(data)  # it reads only when it has written all
        got = read_all(made)
    assert got.startswith(b"HTTP/1.1 413 ")
    assert json.loads(got.partition(b"\r\n\r\n")[2])["error"]["code"] == "request_too_large"
