"""Output for the operator never waits and never fails, whatever is behind stderr."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Generator
from multiprocessing import Pipe
from pathlib import Path

import pytest
import uvicorn
from tests.support.asgi import CONFIG
from tests.support.processes import environment, free_port
from tests.support.server import becomes, children_of

from puna.gateway.logs.lines import LineFormatter, LineHandler
from puna.gateway.logs.output import OperatorStream
from puna.gateway.workers.processes import HeartbeatServer


@contextlib.contextmanager
def full_pipe() -> Generator[tuple[int, int, int]]:
    """A pipe that takes no byte more: its ends, and how many bytes are in it."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    size = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            size += os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    try:
        yield reader, writer, size
    finally:
        os.close(reader)


def read_exactly(reader: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += os.read(reader, size - len(data))
    return data


@pytest.mark.parametrize("is_blocking", [True, False])
def test_a_full_pipe_holds_nobody_and_gets_the_lines_when_there_is_room(
    *, is_blocking: bool
) -> None:
    with full_pipe() as (reader, writer, size):
        os.set_blocking(writer, is_blocking)
        stream = OperatorStream(writer)
        stream.write("first\n")
        stream.write("second\n")
        assert not stream.drain(0.05)
        read_exactly(reader, size)
        assert stream.drain(20)
        assert read_exactly(reader, 13) == b"first\nsecond\n"
        os.close(writer)


def test_lines_of_two_workers_stay_whole_in_a_pipe_that_is_read_slowly() -> None:
    texts = {sign: "".join(f"{sign * 60} {n}\n" for n in range(1_000)) for sign in "ab"}
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, select.PIPE_BUF)  # full after each write
    streams = [OperatorStream(os.dup(writer)) for _ in texts]
    for stream, text in zip(streams, texts.values(), strict=True):
        stream.write(text)
    data = b"".join(read_exactly(reader, 1) for _ in range(sum(map(len, texts.values()))))
    assert all(stream.drain() for stream in streams)
    for descriptor in (reader, writer, *(stream.fileno() for stream in streams)):
        os.close(descriptor)
    lines = data.decode().splitlines(keepends=True)
    assert {sign: "".join(x for x in lines if x[0] == sign) for sign in "ab"} == texts


def test_what_waits_is_bounded_and_the_lost_lines_are_counted() -> None:
    with full_pipe() as (reader, writer, size):
        stream = OperatorStream(writer, most_waiting=100)
        stream.write("a" * 60)
        stream.write("b" * 60)
        stream.write("c" * 60)
        assert stream.lost == 2
        read_exactly(reader, size)
        assert stream.drain(20)
        stream.write("d\n")
        expected = b"a" * 60 + b"(2 lines of this log could not be written)\nd\n"
        assert read_exactly(reader, len(expected)) == expected
        os.close(writer)


def test_a_reader_that_is_gone_costs_the_lines_only() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = OperatorStream(writer)
    stream.write("nobody\n")
    assert stream.drain(20)
    assert stream.lost == 1
    os.close(writer)


def test_a_closed_descriptor_costs_the_lines_only() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    stream = OperatorStream(writer)
    assert stream.isatty() is False
    stream.write("nobody\n")
    assert stream.drain(20)
    assert stream.lost == 1


def test_a_lone_surrogate_in_a_line_is_written_in_escapes() -> None:
    reader, writer = os.pipe()
    stream = OperatorStream(writer)
    stream.write("\ud800\n")
    assert read_exactly(reader, 7) == b"\\ud800\n"
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_log_whose_stream_is_gone_or_closed_fails_nobody(
    capsys: pytest.CaptureFixture[str], *, is_gone: bool
) -> None:
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w", buffering=1)
    os.close(reader)
    if not is_gone:
        with contextlib.suppress(OSError):
            stream.close()
    handler = LineHandler(stream, LineFormatter())
    handler.handle(logging.LogRecord("puna", logging.INFO, "", 0, "text", (), None))
    handler.emit_together("puna", [(0.0, "text")])
    assert capsys.readouterr().err == ""
    with contextlib.suppress(OSError):
        stream.close()


def test_the_event_loop_answers_pings_and_not_while_something_holds_it() -> None:
    begun, may_end = threading.Event(), threading.Event()

    async def app(scope: object, receive: object, send: object) -> None:
        del scope, receive, send
        begun.set()
        may_end.wait(30)  # a step that holds the loop

    ours, theirs = Pipe()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, log_config=None, lifespan="off", http="httptools")
        server = HeartbeatServer(config, theirs)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        ours.send(b"ping")
        assert ours.poll(30)
        assert ours.recv() is True
        with socket.create_connection(listening.getsockname()) as client:
            client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert begun.wait(30)
            ours.send(b"ping")
            assert not ours.poll(0.3)
            may_end.set()
            assert ours.poll(30)
            assert ours.recv() is True
        ours.close()
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
    theirs.close()


BEFORE = {
    "closed": "exec 0<&- 1>&- 2>&-",
    "disk full": "ulimit -f 0",  # no file may grow, which is what a full disk does to a log
}
"""What a shell does before it starts the gateway."""


@contextlib.contextmanager
def gateway(
    config: Path, workers: int, stderr: int, before: str = ":"
) -> Generator[tuple[subprocess.Popen[bytes], int]]:
    """A gateway with this stderr, from its first answer on; and its port."""
    port = free_port()
    command = [sys.executable, "-m", "puna.cli", "serve", "--config", str(config)]
    command += ["--port", str(port), "--num_workers", str(workers)]
    process = subprocess.Popen(
        ["sh", "-c", f'{before}; exec "$@"', "sh", *command],
        env=environment(LLAMA_API_KEY="k"),
        stdout=stderr,
        stderr=stderr,
        start_new_session=True,
    )
    try:
        assert becomes(lambda: answers(port) or process.poll() is not None, within_s=60)
        assert process.poll() is None
        yield process, port
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(30)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    return [
        pid
        for pid in children_of(process.pid)
        if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


@pytest.mark.end_to_end
@pytest.mark.xdist_group("gateway")
@pytest.mark.parametrize(
    ("kind", "count"), [("gone", 1), ("gone", 2), ("full", 2), ("closed", 2), ("disk full", 2)]
)
def test_a_gateway_whose_output_cannot_be_written_serves_replaces_and_ends_with_0(
    kind: str, count: int, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.replace("UPSTREAM", "http://127.0.0.1:9/v1"))
    with full_pipe() as (_, full, _), (tmp_path / "log").open("wb") as log:
        gone_reader, gone = os.pipe()
        os.close(gone_reader)
        stderr = {"gone": gone, "disk full": log.fileno()}.get(kind, full)
        with gateway(config, count, stderr, BEFORE.get(kind, ":")) as (process, port):
            if count > 1:
                assert becomes(lambda: len(workers_of(process)) == 2, within_s=30)
                lost = workers_of(process)[0]
                os.kill(lost, signal.SIGKILL)
                assert becomes(lambda: len({*workers_of(process)} - {lost}) == 2, within_s=30), (
                    workers_of(process)
                )
            for _ in range(4):
                assert answers(port)
        os.close(gone)
        os.close(full)
