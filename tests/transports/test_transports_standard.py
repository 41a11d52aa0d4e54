"""The standard transport against real sockets, sync and async alike."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.upstream import Reply, Upstream

from puna.errors import APIConnectionError, APIError, APITimeoutError, ConfigError
from puna.transports.standard import AsyncStandardTransport, StandardTransport, TLSConfig
from puna.wire.http import HTTPReply, HTTPRequest, Timeouts

PATIENT = Timeouts()
QUICK = Timeouts(connect_s=0.5, idle_s=0.5, total_s=0.5)

Send = Callable[..., HTTPReply]


def _request(url: str, timeouts: Timeouts = PATIENT, *, is_stream: bool = False) -> HTTPRequest:
    headers = {"authorization": "Bearer sk-canary"}
    return HTTPRequest("POST", url + "/chat/completions", headers, b"{}", timeouts, is_stream)


def send_sync(request: HTTPRequest, tls: TLSConfig | None = None) -> HTTPReply:
    transport = StandardTransport(tls)
    try:
        reply = transport.open(request)
        try:
            body = b"".join(reply.pieces()) if request.is_stream else reply.read()
            return HTTPReply(reply.status, reply.headers, body)
        finally:
            reply.close()
    finally:
        transport.close()


def send_async(request: HTTPRequest, tls: TLSConfig | None = None) -> HTTPReply:
    async def send() -> HTTPReply:
        transport = AsyncStandardTransport(tls)
        try:
            reply = await transport.open(request)
            try:
                if request.is_stream:
                    body = b"".join([piece async for piece in reply.pieces()])
                else:
                    body = await reply.read()
                return HTTPReply(reply.status, reply.headers, body)
            finally:
                await reply.close()
        finally:
            await transport.close()

    return asyncio.run(send())


BOTH = pytest.mark.parametrize("send", [send_sync, send_async], ids=["sync", "async"])


@BOTH
def test_a_reply_has_its_status_lower_case_headers_and_body(send: Send, upstream: Upstream) -> None:
    upstream.plays(Reply.bytes_of(b"abc", status=418, X_Mixed_Case="v"))
    reply = send(_request(upstream.url))
    assert (reply.status, reply.body, reply.headers["x-mixed-case"]) == (418, b"abc", "v")
    assert upstream.requests[0].headers["authorization"] == "Bearer sk-canary"


@BOTH
def test_headers_that_come_twice_are_joined_and_odd_letters_are_kept(
    send: Send, upstream: Upstream
) -> None:
    upstream.plays(
        Reply.bytes_of(b"abc", X_Twice="a", x_twice="b"), Reply.bytes_of(b"abc", X_Odd="é")
    )
    assert send(_request(upstream.url)).headers["x-twice"] == "a, b"
    assert send(_request(upstream.url)).headers["x-odd"] == "é"


@pytest.mark.case(39)
@BOTH
@pytest.mark.parametrize("is_stream", [False, True])
def test_bodies_are_decompressed(send: Send, is_stream: bool, upstream: Upstream) -> None:  # noqa: FBT001 - a parametrised case
    reply = Reply.bytes_of(b"squeeze " * 99)
    upstream.plays(reply.gzipped(), reply.gzipped().chunked(), reply.chunked())
    for _ in range(3):
        assert send(_request(upstream.url, is_stream=is_stream)).body == b"squeeze " * 99


@pytest.mark.case(40)
@BOTH
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(send: Send, status: int, upstream: Upstream) -> None:
    with Upstream() as other:
        upstream.plays(Reply.redirect(other.url, status))
        assert send(_request(upstream.url)).status == status
        assert other.requests == []


@pytest.mark.case(145)
@BOTH
@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize(
    "reply",
    [
        Reply.hang(),
        Reply.bytes_of(b"partial").ending("hang"),
        Reply.raw(b"HTTP/1.1 200 OK\r\ncontent-", end="hang"),
    ],
    ids=["head", "body", "half a head"],
)
def test_silence_ends_in_time(
    send: Send,
    is_stream: bool,  # noqa: FBT001 - a parametrised case
    reply: Reply,
    upstream: Upstream,
) -> None:
    upstream.plays(reply)
    began_at = time.monotonic()
    with pytest.raises(APITimeoutError, match=r"127\.0\.0\.1:\d+` within 0\.5 s") as caught:
        send(_request(upstream.url, QUICK, is_stream=is_stream))
    assert 0.4 < time.monotonic() - began_at < 1.5
    assert "canary" not in str(caught.value)


@pytest.mark.case(145)
@BOTH
def test_a_dripping_body_ends_in_time(send: Send, upstream: Upstream) -> None:
    upstream.plays(Reply.drip(0.05))
    began_at = time.monotonic()
    with pytest.raises(APITimeoutError):
        send(_request(upstream.url, QUICK))
    assert 0.4 < time.monotonic() - began_at < 1.5


@pytest.mark.case(145)
@BOTH
def test_a_connection_that_nobody_accepts_ends_in_time(send: Send) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.create_connection(address) for _ in range(1)]
        began_at = time.monotonic()
        with pytest.raises(APITimeoutError):
            send(_request(f"http://127.0.0.1:{address[1]}", QUICK))
        assert time.monotonic() - began_at < 1.5
        with pytest.raises(APITimeoutError, match=r"within 0\.1 s"):
            send(_request(f"http://127.0.0.1:{address[1]}", Timeouts(0.1, None, None)))
        for sock in waiting:
            sock.close()


@pytest.mark.case(59)
@BOTH
def test_a_streams_pauses_and_its_head_have_limits_of_their_own(
    send: Send, upstream: Upstream
) -> None:
    body = Reply.sse({"a": 1}, {"a": 2})
    patient_head = Timeouts(idle_s=0.2, total_s=2.0)
    upstream.plays(body.after(0.4))
    assert send(_request(upstream.url, patient_head, is_stream=True)).body.endswith(b"[DONE]\n\n")

    upstream.plays(body.after(0.4))
    with pytest.raises(APITimeoutError, match=r"within 0\.2 s; raise `timeout`"):
        send(_request(upstream.url, Timeouts(idle_s=2.0, total_s=0.2), is_stream=True))

    upstream.plays(Reply.sse({"a": 1}, 0.4, {"a": 2}, pause_s=0.4))
    with pytest.raises(APITimeoutError, match=r"within 0\.2 s; raise `stream_timeout`"):
        send(_request(upstream.url, patient_head, is_stream=True))

    upstream.plays(Reply.sse(*({"a": i} for i in range(5)), pause_s=0.1))
    assert send(_request(upstream.url, Timeouts(idle_s=0.4, total_s=0.3), is_stream=True)).body


@BOTH
def test_without_limits_a_reply_may_take_its_time(send: Send, upstream: Upstream) -> None:
    upstream.plays(Reply.json({}).after(0.05))
    assert send(_request(upstream.url, Timeouts(None, None, None))).status == 200


@pytest.mark.case(51, 146)
@BOTH
@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize(
    "reply",
    [
        Reply.reset(),
        Reply.raw(b""),
        Reply.bytes_of(b"partial").ending("close"),
        Reply.bytes_of(b"partial").ending("reset"),
        Reply.sse({"a": 1}, is_done=False, end="close"),
        Reply.raw(b"SMTP 220 hello\r\n\r\n"),
        Reply(200, {"content-encoding": "gzip"}, (b"no gzip",)),
    ],
    ids=["reset", "no reply", "cut", "reset in the body", "cut chunks", "no http", "bad gzip"],
)
def test_a_broken_connection_is_a_connection_error(
    send: Send,
    is_stream: bool,  # noqa: FBT001 - a parametrised case
    reply: Reply,
    upstream: Upstream,
) -> None:
    upstream.plays(reply)
    with pytest.raises(APIConnectionError, match=r"127\.0\.0\.1") as caught:
        send(_request(upstream.url, is_stream=is_stream))
    assert not isinstance(caught.value, APITimeoutError)
    assert "canary" not in str(caught.value)


@pytest.mark.case(146)
@BOTH
@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://127.0.0.1:1/v1", "http://127.0.0.1:1"),
        ("http://no-such-host.invalid/v1", "http://no-such-host.invalid"),
        ("http://a..b/v1", "http://a..b"),
    ],
)
def test_a_host_that_cannot_be_reached_is_named(send: Send, url: str, host: str) -> None:
    with pytest.raises(APIConnectionError) as caught:
        send(_request(url))
    assert host in str(caught.value)
    assert "canary" not in str(caught.value)


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@dataclass(frozen=True)
class Certificate:
    cert: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("tls")
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", names),
            *("-keyout", str(made.key), "-out", str(made.cert)),
        ],
        check=True,
        capture_output=True,
    )
    return made


@pytest.fixture
def secure_upstream(certificate: Certificate) -> Iterator[Upstream]:
    with Upstream(tls=certificate.server_context()) as upstream:
        yield upstream


@pytest.mark.case(146)
@BOTH
def test_a_certificate_that_nobody_vouches_for_is_refused(
    send: Send, secure_upstream: Upstream
) -> None:
    with pytest.raises(APIConnectionError, match=r"(?i)localhost.*certificate"):
        send(_request(secure_upstream.url))
    assert secure_upstream.requests == []


@pytest.mark.case(38)
@BOTH
def test_an_own_certificate_authority_or_none_is_used_when_asked(
    send: Send, secure_upstream: Upstream, certificate: Certificate
) -> None:
    url = secure_upstream.url
    assert send(_request(url), TLSConfig(ca_file=str(certificate.cert))).status == 200
    assert send(_request(url), TLSConfig(is_verified=False)).status == 200
    with pytest.raises(APIConnectionError):
        send(
            _request(f"https://127.0.0.2:{secure_upstream.port}/v1"),
            TLSConfig(ca_file=str(certificate.cert)),
        )


@pytest.mark.case(146)
@BOTH
def test_tls_spoken_to_a_plain_port_is_a_connection_error(send: Send, upstream: Upstream) -> None:
    with pytest.raises(APIError, match=r"https://127\.0\.0\.1"):
        send(_request(upstream.url.replace("http:", "https:"), QUICK))


def test_a_ca_file_that_is_none_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    for path in (empty, tmp_path / "missing.pem"):
        with pytest.raises(ConfigError, match=path.name):
            TLSConfig(ca_file=str(path)).context()


@pytest.mark.case(38)
@BOTH
@pytest.mark.parametrize("is_stream", [False, True])
def test_the_proxy_of_the_environment_is_used_and_its_exceptions_kept(
    send: Send,
    is_stream: bool,  # noqa: FBT001 - a parametrised case
    upstream: Upstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Upstream() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.origin)
        monkeypatch.setenv("NO_PROXY", "")
        send(_request("http://llama.invalid/v1", is_stream=is_stream))
        assert proxy.requests[0].path == "http://llama.invalid/v1/chat/completions"
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        send(_request(upstream.url, is_stream=is_stream))
        assert len(proxy.requests) == len(upstream.requests) == 1


@BOTH
@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "nonsense://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_is_an_error_of_the_configuration(
    send: Send, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigError, match="a proxy that the environment names cannot be used"):
        send(_request("http://llama.invalid/v1"))


@pytest.mark.case(132)
def test_a_connection_serves_again_when_its_body_was_read(upstream: Upstream) -> None:
    transport = StandardTransport()
    for _ in range(3):
        reply = transport.open(_request(upstream.url))
        reply.read()
        reply.close()
    assert upstream.connections == 1
    transport.close()


@pytest.mark.case(132)
@pytest.mark.anyio
@pytest.mark.parametrize("is_stream", [False, True])
async def test_an_async_connection_serves_again_when_its_body_was_read(
    is_stream: bool,  # noqa: FBT001 - a parametrised case
    upstream: Upstream,
) -> None:
    transport = AsyncStandardTransport()
    for _ in range(3):
        reply = await transport.open(_request(upstream.url, is_stream=is_stream))
        if is_stream:
            assert [piece async for piece in reply.pieces()]
        else:
            await reply.read()
        await reply.close()
    assert upstream.connections == 1
    await transport.close()


@pytest.mark.case(57)
def test_early_closes_leave_no_socket_behind(upstream: Upstream) -> None:
    upstream.plays_always(Reply.endless(0.5))
    transport = StandardTransport()
    request = _request(upstream.url, is_stream=True)

    def leave_early() -> None:
        reply = transport.open(request)
        next(reply.pieces())
        reply.close()

    leave_early()
    gc.collect()
    before = _open_files()
    for _ in range(300):
        leave_early()
    gc.collect()
    assert upstream.sees(lambda: upstream.open_connections == 0)
    assert _open_files() <= before + 1
    assert upstream.disconnects == 301
    transport.close()


@pytest.mark.case(57)
@pytest.mark.anyio
async def test_early_async_closes_leave_no_socket_behind(upstream: Upstream) -> None:
    upstream.plays_always(Reply.endless(0.5))
    transport = AsyncStandardTransport()
    request = _request(upstream.url, is_stream=True)

    async def leave_early() -> None:
        reply = await transport.open(request)
        pieces = reply.pieces()
        await anext(pieces)
        await reply.close()

    await leave_early()
    before = _open_files()
    for _ in range(3):
        await asyncio.gather(*(leave_early() for _ in range(100)))
    gc.collect()
    assert await asyncio.to_thread(upstream.sees, lambda: upstream.open_connections == 0)
    assert _open_files() <= before + 1
    await transport.close()
