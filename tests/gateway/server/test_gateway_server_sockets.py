"""The real gateway over real sockets, in front of a real upstream."""

from __future__ import annotations

import json
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.asgi import CHAT, CONFIG, MODEL
from tests.support.server import Served, request_bytes
from tests.support.upstream import TEXT, Reply, Upstream, event, text_chunks

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("gateway")]

UPSTREAM_KEY = "sk-upstream-canary-90210"
MASTER_KEY = "sk-master-canary-31337"
HEADERS = {"authorization": f"Bearer {MASTER_KEY}"}
STREAM = {**CHAT, "stream": True}


@pytest.fixture(scope="module")
def up() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="module")
def served(up: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An open gateway."""
    path = tmp_path_factory.mktemp("open") / "config.yaml"
    path.write_text(
        CONFIG.replace("UPSTREAM", up.url) + "general_settings: {max_request_size_mb: 1}\n"
    )
    with Served(
        "--config", str(path), "--keepalive_timeout", "2", LLAMA_API_KEY=UPSTREAM_KEY
    ) as one:
        yield one


@pytest.fixture(scope="module")
def keyed(up: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway with a master key that logs all it can."""
    path = tmp_path_factory.mktemp("keyed") / "config.yaml"
    path.write_text(
        CONFIG.replace("UPSTREAM", up.url)
        + "      max_retries: 0\n"
        + "general_settings: {master_key: os.environ/MASTER}\n"
        + f"environment_variables: {{OWN_SECRET: {UPSTREAM_KEY}}}\n"
    )
    with Served(
        "--config",
        str(path),
        "--host",
        "127.0.0.1",
        "--debug",
        LLAMA_API_KEY=UPSTREAM_KEY,
        MASTER=MASTER_KEY,
    ) as one:
        yield one


@pytest.mark.case(112, 158)
def test_the_start_text_names_the_real_port_and_says_that_it_is_open(served: Served) -> None:
    assert served.host == "127.0.0.1"
    assert served.port > 0
    assert "open: no master key is set" in served.log
    assert f"http://localhost:{served.port}/v1/chat/completions" in served.log


@pytest.mark.case(113, 116)
def test_it_answers_plain_and_streamed(served: Served) -> None:
    status, headers, body = served.request("POST", "/chat/completions", CHAT)
    assert status == 200
    assert json.loads(body)["choices"][0]["message"]["content"] == TEXT
    assert "server" not in headers
    status, headers, body = served.request("POST", "/v1/chat/completions", STREAM)
    assert headers["content-type"] == "text/event-stream"
    assert body.endswith(b"data: [DONE]\n\n")


@pytest.mark.case(132)
def test_two_requests_go_over_one_connection(served: Served) -> None:
    one = request_bytes(CHAT)
    last = request_bytes(STREAM, headers="connection: close\r\n")
    for pieces in ((one, last), (one + one + last,)):
        got = served.talk(*pieces, pause_s=0.05)
        assert got.count(b"HTTP/1.1 200 OK") == len(pieces[0] + b"".join(pieces[1:])) // len(one)
        assert got.rstrip().endswith(b"0")


@pytest.mark.case(132)
def test_a_client_that_waits_for_100_continue_gets_it(served: Served) -> None:
    head, blank, body = request_bytes(
        CHAT, headers="expect: 100-continue\r\nconnection: close\r\n"
    ).partition(b"\r\n\r\n")
    with served.connect() as made:
        made.sendall(head + blank)
        assert made.recv(1000).startswith(b"HTTP/1.1 100 Continue")
        made.sendall(body)
        assert made.recv(1000).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.case(132)
@pytest.mark.parametrize("body", [CHAT, STREAM])
def test_an_http_1_0_client_gets_a_body_that_ends_with_the_connection(
    served: Served, body: dict[str, object]
) -> None:
    head, _, content = served.talk(request_bytes(body, version="1.0")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert content.startswith((b"{", b"data: "))
    assert content.endswith((b"}", b"data: [DONE]\n\n"))


def test_an_http_1_0_head_has_no_body(served: Served) -> None:
    got = served.talk(b"HEAD /health/liveliness HTTP/1.0\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200 OK")
    assert got.endswith(b"\r\n\r\n")


@pytest.mark.case(130)
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "GET"])
def test_other_methods_keep_the_connection_in_order(served: Served, method: str) -> None:
    first = f"{method} /v1/chat/completions HTTP/1.1\r\nhost: x\r\n\r\n".encode()
    last = b"GET /health/liveliness HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    got = served.talk(first + last)
    assert got.startswith((b"HTTP/1.1 405", b"HTTP/1.1 204"))
    assert got.endswith(b'"I\'m alive!"')


@pytest.mark.case(129)
def test_a_chunked_body_over_the_limit_is_413(served: Served) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with served.connect() as made:
        made.sendall(head)
        for _ in range(17):
            made.sendall(piece)
        assert made.recv(1000).startswith(b"HTTP/1.1 413 ")


@pytest.mark.case(129)
def test_a_declared_length_over_the_limit_is_413_before_the_body(served: Served) -> None:
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n"
    with served.connect() as made:
        made.sendall(head.encode())
        assert made.recv(1000).startswith(b"HTTP/1.1 413 ")


@pytest.mark.case(129)
@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: " + b"y" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 4_000 + b"\r\n",
    ],
)
def test_a_huge_head_is_431(served: Served, head: bytes) -> None:
    got = served.talk(head)
    assert got.startswith(b"HTTP/1.1 431 ")
    assert json.loads(got.partition(b"\r\n\r\n")[2])["error"]["code"] == "invalid_request"


@pytest.mark.case(129, 155)
@pytest.mark.parametrize(
    "noise",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
    ],
)
def test_what_is_no_request_is_400_in_the_usual_shape(served: Served, noise: bytes) -> None:
    got = served.talk(noise)
    assert got.startswith(b"HTTP/1.1 400 ")
    assert json.loads(got.partition(b"\r\n\r\n")[2])["error"]["code"] == "invalid_request"


@pytest.mark.parametrize("body", [CHAT, STREAM, {**CHAT, "tools": []}])
def test_a_request_with_noise_behind_it_is_answered(served: Served, body: dict[str, Any]) -> None:
    got = served.talk(request_bytes(body) + b"\0noise\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200 OK")
    assert (b"data: [DONE]" if body.get("stream") else TEXT.encode()) in got
    assert got.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("wish", ["h2c", "websocket"])
def test_a_request_that_wants_an_upgrade_is_answered_in_http_1_1(served: Served, wish: str) -> None:
    one = request_bytes(CHAT, headers=f"connection: upgrade\r\nupgrade: {wish}\r\n")
    last = request_bytes(STREAM, headers="connection: close\r\n")
    got = served.talk(one[:-10], one[-10:], last, pause_s=0.05)
    assert got.count(b"HTTP/1.1 200 OK") == 2
    assert TEXT.encode() in got
    assert b"[DONE]" in got


@pytest.mark.case(126)
def test_a_client_that_leaves_closes_the_upstream_within_a_second(
    served: Served, up: Upstream
) -> None:
    before = up.disconnects
    up.plays(Reply.endless(), Reply.hang())
    with served.connect() as made:
        made.sendall(request_bytes(STREAM))
        assert made.recv(100)
    assert up.sees(lambda: up.disconnects == before + 1, within_s=1)
    with served.connect() as made:
        made.sendall(request_bytes(CHAT))
        assert up.sees(lambda: up.open_replies > 0)
    assert up.sees(lambda: up.disconnects == before + 2, within_s=1)


@pytest.mark.case(155, 161)
def test_no_key_is_in_any_log_line_reply_or_header(keyed: Served, up: Upstream) -> None:
    echo = f"key {UPSTREAM_KEY} is wrong"
    first, second, *_ = text_chunks()
    up.plays(
        Reply.error(401, echo, x_ratelimit_limit_requests=UPSTREAM_KEY),
        Reply.error(500, echo),
        Reply.bytes_of(echo.encode(), status=403, content_type="text/plain"),
        Reply.sse(first, second, event({"error": {"message": echo}})),
        Reply.redirect(f"http://x/?key={UPSTREAM_KEY}"),
        Reply.json({"nonsense": UPSTREAM_KEY}),
        *[Reply.reset()] * 2,  # on the kept connection, and on the fresh one after it
    )
    seen = b""
    for body in (CHAT, CHAT, CHAT, STREAM, CHAT, CHAT, CHAT):
        status, headers, content = keyed.request("POST", "/v1/chat/completions", body, HEADERS)
        assert status >= 400 or body is STREAM
        seen += str(headers).encode() + content
    for key in (MASTER_KEY, MASTER_KEY + "x", UPSTREAM_KEY):
        for path in ("/v1/models", "/model/info", "/health", f"/{key[:3]}", "/routes", "/"):
            found = keyed.request("GET", path, None, {"x-api-key": key})
            seen += str(found[1]).encode() + found[2]
    for path in ("/v1/chat/completions", "/v1/models/%0aforged"):
        seen += keyed.request("POST", path, {"model": "x"}, HEADERS)[2]
    assert up.sees(lambda: "/v1/models/" in keyed.log)
    for key in (MASTER_KEY, UPSTREAM_KEY):
        assert key not in seen.decode()
        assert key not in keyed.log
    assert "\nforged" not in keyed.log
    assert "Traceback" not in keyed.log
    assert "master key" not in keyed.log.partition("try:")[0]


@pytest.mark.case(156)
def test_a_wrong_key_is_401_over_the_wire(keyed: Served) -> None:
    status, headers, body = keyed.request("POST", "/v1/chat/completions", CHAT)
    assert status == 401
    assert "www-authenticate" in headers
    assert json.loads(body)["error"]["code"] == "missing_api_key"


@pytest.mark.case(128)
def test_sigterm_lets_running_streams_end_and_exits_0(up: Upstream, tmp_path: Path) -> None:
    up.plays(Reply.text_stream(*["a"] * 20, pause_s=0.05))
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("UPSTREAM", up.url))
    with Served("--config", str(path), LLAMA_API_KEY="k") as one:
        with one.connect() as made:
            made.sendall(request_bytes(STREAM))
            assert made.recv(100).startswith(b"HTTP/1.1 200")
            one.process.send_signal(signal.SIGTERM)
            rest = b""
            while piece := made.recv(65_536):
                rest += piece
        assert b"data: [DONE]" in rest
        assert one.process.wait(10) == 0


@pytest.mark.case(128)
def test_a_stream_that_does_not_end_is_cut_after_the_drain_time(
    up: Upstream, tmp_path: Path
) -> None:
    up.plays(Reply.endless(0.05))
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("UPSTREAM", up.url))
    with Served("--config", str(path), "--drain_s", "1", LLAMA_API_KEY="k") as one:
        made = one.connect()
        made.sendall(request_bytes(STREAM))
        assert made.recv(100)
        started = time.monotonic()
        assert one.stop() == 0
        assert time.monotonic() - started < 10
        made.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_several_workers_answer_and_end_with_status_0(
    up: Upstream, tmp_path: Path, number: int
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("UPSTREAM", up.url))
    with Served("--config", str(path), "--num_workers", "2", LLAMA_API_KEY="k") as one:
        for _ in range(6):
            assert one.request("POST", "/v1/chat/completions", CHAT)[0] == 200
        status, _, body = one.request("POST", "/v1/chat/completions", STREAM)
        assert (status, MODEL.encode() in body) == (200, True)
        workers = one.children
        assert len(workers) >= 2
        assert one.stop(number) == 0
        assert "Traceback" not in one.log


def test_workers_do_not_outlive_a_killed_gateway(up: Upstream, tmp_path: Path) -> None:
    from tests.support.server import is_alive

    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("UPSTREAM", up.url))
    with Served("--config", str(path), "--num_workers", "2", LLAMA_API_KEY="k") as one:
        assert one.request("POST", "/v1/chat/completions", CHAT)[0] == 200
        workers = one.children
        one.stop(signal.SIGKILL)
        assert up.sees(lambda: not any(map(is_alive, workers)), within_s=10)


@pytest.mark.case(164)
def test_json_logs_are_json_lines(up: Upstream, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        CONFIG.replace("UPSTREAM", up.url)
        + "litellm_settings: {json_logs: true, callbacks: [own.note]}\n"
    )
    (tmp_path / "own.py").write_text(
        "def note(event):\n    print('told', event.outcome, event.report.call_id, flush=True)\n"
    )
    with Served("--config", str(path), LLAMA_API_KEY="k") as one:
        headers = {"x-litellm-call-id": "call-7"}
        assert one.request("POST", "/v1/chat/completions", CHAT, headers)[0] == 200
        one.stop()
        lines = [json.loads(line) for line in one.lines if line.startswith("{")]
        assert any("POST /v1/chat/completions 200" in line["message"] for line in lines)
        assert "told success call-7\n" in one.lines


def test_open_files_are_limited_by_the_hard_limit_only(up: Upstream, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("UPSTREAM", up.url))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard), hard))
    try:
        with Served("--config", str(path), LLAMA_API_KEY="k") as one:
            limits = Path(f"/proc/{one.process.pid}/limits").read_text(encoding="ascii")
            line = next(line for line in limits.splitlines() if line.startswith("Max open files"))
            assert line.split()[3:5] == [str(hard), str(hard)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
