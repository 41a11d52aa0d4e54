"""The standard transport alone: proxies of the environment, kept connections, early closes."""

from __future__ import annotations

import asyncio
import gc
from functools import partial
from pathlib import Path

import pytest
from tests.support.senders import Send, send_async, send_sync
from tests.support.upstream import Reply, Upstream

from puna.errors import APIConnectionError, ConfigError
from puna.transports.proxies import environment_faults
from puna.transports.standard import AsyncStandardTransport, StandardTransport
from puna.transports.tls import TLSConfig
from puna.wire.http import HTTPRequest

BOTH = pytest.mark.parametrize("send", [send_sync, send_async], ids=["sync", "async"])


def _request(url: str, *, is_stream: bool = False) -> HTTPRequest:
    headers = {"authorization": "Bearer sk-canary"}
    return HTTPRequest("POST", url + "/chat/completions", headers, b"{}", is_stream=is_stream)


@BOTH
def test_headers_that_come_twice_are_joined_and_odd_letters_are_kept(
    send: Send, upstream: Upstream
) -> None:
    upstream.plays(
        Reply.bytes_of(b"abc", X_Twice="a", x_twice="b"), Reply.bytes_of(b"abc", X_Odd="é")
    )
    assert send(_request(upstream.url)).headers["x-twice"] == "a, b"
    assert send(_request(upstream.url)).headers["x-odd"] == "é"


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


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
@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:9", "socks://127.0.0.1:9", "ftp://me:pw12@h"]
)
@pytest.mark.parametrize("name", ["ALL_PROXY", "HTTP_PROXY"])
def test_a_proxy_that_cannot_be_used_touches_only_the_hosts_behind_it_aider_4038(
    send: Send, proxy: str, name: str, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, proxy)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert send(_request(upstream.url)).status == 200
    said = "the proxy that the environment names cannot be used"
    with pytest.raises(APIConnectionError, match=said) as told:
        send(_request("http://llama.invalid/v1"))
    assert not told.value.is_retryable
    assert "pw12" not in str(told.value)


def test_faults_of_the_environment_are_named_without_their_values(tmp_path: Path) -> None:
    environ = {
        "ALL_PROXY": "socks://me:secret-pw@h:1",
        "https_proxy": "HTTPS://h:1",
        "HTTP_PROXY": "h:1",
        "SSL_CERT_FILE": str(tmp_path / "secret-pw.pem"),
        "SSL_CERT_DIR": str(tmp_path),
    }
    first, second = environment_faults(environ)
    assert first.startswith("`ALL_PROXY` names a proxy of `socks://`")
    assert second.startswith("`SSL_CERT_FILE`")
    assert "secret-pw" not in first + second
    assert environment_faults({"NO_PROXY": "*"}) == []


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


@BOTH
@pytest.mark.parametrize("is_zipped", [False, True])
def test_a_whole_body_has_a_limit_and_a_stream_has_none(
    send: Send, upstream: Upstream, *, is_zipped: bool
) -> None:
    body = b"x" * 300_000
    reply = Reply.bytes_of(body).chunked()
    upstream.plays(*[reply.gzipped() if is_zipped else reply] * 3)
    limited = partial(send, most_body_bytes=200_000)
    with pytest.raises(APIConnectionError, match="longer than 200000 bytes"):
        limited(_request(upstream.url))
    assert limited(_request(upstream.url, is_stream=True)).body == body
    assert send(_request(upstream.url)).body == body
