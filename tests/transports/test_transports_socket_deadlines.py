"""`timeout` bounds the whole of a call in every transport, however slowly a host sends bytes."""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from tests.support.senders import Send, send_async, send_lean, send_lean_uvloop, send_sync
from tests.support.upstream import Reply, Step, Upstream

from puna.errors import APITimeoutError
from puna.transports.socket_deadlines import DeadlineBackend, io_deadline
from puna.transports.tls import TLSConfig
from puna.wire.http import HTTPRequest, Timeouts

ALL = pytest.mark.parametrize(
    "send",
    [send_sync, send_async, send_lean, send_lean_uvloop],
    ids=["sync", "async", "lean", "lean uvloop"],
)
SHORT = Timeouts(connect_s=0.4, idle_s=0.4, total_s=0.4)
PAUSE_S = 0.02
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
GZIPPED = HEAD + b"content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n"
GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
NO_BYTES = b"\x00\x00\x00\xff\xff"
"""A stored block of deflate with nothing in it."""


def _http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _empty_gzip() -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(b"") + packer.flush()


def _drip(first: bytes, again: bytes) -> Reply:
    steps: Iterator[Step] = itertools.chain((first,), itertools.cycle((again, PAUSE_S)))
    return Reply(steps=steps, is_raw=True, end="hang")


IN_THE_HEAD = {
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "header name": (HEAD, b"x"),
    "header value": (HEAD + b"x: ", b"a"),
    "headers": (HEAD, b"x-more: y\r\n"),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "103 Early Hints": (b"", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"),
}
IN_THE_BODY = {
    "chunk size": (CHUNKED, b"0"),
    "chunk extension": (CHUNKED + b"5;", b"a"),
    "trailers": (CHUNKED + b"0\r\n", b"x-more: y\r\n"),
    "gzip header": (GZIPPED + _http_chunk(GZIP_HEAD[:3] + b"\x08" + GZIP_HEAD[4:]), b"1\r\na\r\n"),
    "gzip of nothing": (GZIPPED + _http_chunk(GZIP_HEAD), _http_chunk(NO_BYTES)),
    "much gzip of nothing": (GZIPPED + _http_chunk(GZIP_HEAD), _http_chunk(NO_BYTES * 10_000)),
    "gzip members of nothing": (GZIPPED, _http_chunk(_empty_gzip())),
}


def _request(url: str, *, is_stream: bool, body: bytes = b"{}") -> HTTPRequest:
    return HTTPRequest("POST", url + "/chat/completions", {}, body, SHORT, is_stream)


@ALL
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("place", IN_THE_HEAD)
def test_a_head_that_drips_is_ended_by_the_timeout(
    place: str, upstream: Upstream, send: Send, *, is_stream: bool
) -> None:
    upstream.plays(_drip(*IN_THE_HEAD[place]))
    with pytest.raises(APITimeoutError, match=r"within 0\.4 s; raise `timeout`"):
        send(_request(upstream.url, is_stream=is_stream))


@ALL
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("place", IN_THE_BODY)
def test_a_body_that_drips_and_says_nothing_is_ended_by_its_timeout(
    place: str, upstream: Upstream, send: Send, *, is_stream: bool
) -> None:
    """Bytes that frame a body, or open to nothing, are no piece of it: the pause goes on."""
    upstream.plays(_drip(*IN_THE_BODY[place]))
    keyword = "stream_timeout" if is_stream else "timeout"
    with pytest.raises(APITimeoutError, match=rf"within 0\.4 s; raise `{keyword}`"):
        send(_request(upstream.url, is_stream=is_stream))


@ALL
def test_a_body_that_drips_is_ended_by_the_timeout(upstream: Upstream, send: Send) -> None:
    upstream.plays(Reply.drip(PAUSE_S))
    with pytest.raises(APITimeoutError, match="raise `timeout`"):
        send(_request(upstream.url, is_stream=False))


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
def test_a_proxy_that_drips_is_ended_by_the_timeout(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, *, is_stream: bool
) -> None:
    """The road through a proxy of the environment has the same deadline."""
    monkeypatch.setenv("HTTP_PROXY", upstream.origin)
    monkeypatch.setenv("NO_PROXY", "")
    upstream.plays(_drip(*IN_THE_HEAD["headers"]))
    with pytest.raises(APITimeoutError, match="raise `timeout`"):
        send_sync(_request("http://llama.invalid/v1", is_stream=is_stream))


@ALL
def test_a_host_that_reads_a_request_too_slowly_is_left(send: Send) -> None:
    with _host(_read_slowly) as port, pytest.raises(APITimeoutError, match="raise `timeout`"):
        send(_request(f"http://127.0.0.1:{port}", is_stream=False, body=b"x" * 16_000_000))


@ALL
def test_a_host_whose_tls_handshake_drips_is_left(send: Send) -> None:
    with _host(_shake_hands_slowly) as port, pytest.raises(APITimeoutError):
        send(
            _request(f"https://127.0.0.1:{port}", is_stream=False),
            tls=TLSConfig(is_verified=False),
        )


def test_tls_carries_a_long_request_in_parts(secure_upstream: Upstream) -> None:
    """Each record is written under the deadline, and all of them arrive."""
    body = b"x" * 100_000
    request = HTTPRequest("POST", secure_upstream.url + "/chat/completions", {}, body)
    send_sync(request, tls=TLSConfig(is_verified=False))
    assert secure_upstream.requests[0].body == body


class _Opener:
    """Opens connections as httpcore2's backend does; only the addresses that it is given open."""

    def __init__(self, good: str = "") -> None:
        self.tried: list[str] = []
        self._good = good

    def connect_tcp(self, host: str, port: int, timeout: float | None = None) -> Any:
        """A stream that is only compared."""
        del port, timeout
        self.tried.append(host)
        if host != self._good:
            raise ConnectionRefusedError(host)
        return self


def _found(*addresses: str) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 80)) for one in addresses]


def test_a_name_that_nobody_resolves_in_time_is_no_connection() -> None:
    """The resolver takes no limit, so it must not hold the call that asked it."""
    never = threading.Event()

    def look_up(host: str, port: int) -> list[Any]:
        del host, port
        never.wait()
        return []

    backend = DeadlineBackend(_Opener(), look_up)
    with pytest.raises(httpx2.ConnectTimeout):
        backend.connect_tcp("llama.example", 80, timeout=0.05)
    never.set()


def test_the_addresses_of_a_host_are_tried_in_order_and_share_one_limit() -> None:
    opener = _Opener(good="192.0.2.3")
    backend = DeadlineBackend(
        opener, lambda _host, _port: _found("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3")
    )
    backend.connect_tcp("llama.example", 80, timeout=60.0)
    assert opener.tried == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    opener.tried.clear()
    long_ago = 0.0
    with io_deadline(long_ago), pytest.raises(httpx2.ConnectTimeout):
        backend.connect_tcp("192.0.2.3", 80, timeout=60.0)
    assert opener.tried == []


def test_what_a_resolver_says_reaches_the_caller() -> None:
    def look_up(host: str, port: int) -> list[Any]:
        del port
        raise socket.gaierror(-2, f"{host} is not known")

    with pytest.raises(OSError, match=r"llama\.example is not known"):
        DeadlineBackend(_Opener(), look_up).connect_tcp("llama.example", 80, timeout=60.0)
    with pytest.raises(OSError, match="has no address"):
        DeadlineBackend(_Opener(), lambda _host, _port: []).connect_tcp("llama.example", 80)


@contextmanager
def _host(serve: Any) -> Generator[int]:
    """A host that treats its one client in its own way until the block ends; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        is_over = threading.Event()

        def run() -> None:
            client, _ = listening.accept()
            with client:
                client.settimeout(10)
                serve(client, is_over)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        is_over.set()
        thread.join(10)


def _read_slowly(client: socket.socket, is_over: threading.Event) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    while not is_over.wait(PAUSE_S):
        try:
            if not client.recv(20_000):
                return
        except OSError:
            return


def _shake_hands_slowly(client: socket.socket, is_over: threading.Event) -> None:
    client.recv(16_384)
    try:
        client.sendall(b"\x16\x03\x03\x40\x00")  # the head of a long record
        while not is_over.wait(PAUSE_S):
            client.sendall(b"\x02")
    except (OSError, ssl.SSLError):
        return
