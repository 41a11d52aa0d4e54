"""What every transport does, against real sockets: standard (sync and async) and lean."""

from __future__ import annotations

import socket
import time

import pytest
from tests.support.certificates import Certificate
from tests.support.senders import Send, send_async, send_lean, send_lean_uvloop, send_sync
from tests.support.upstream import Reply, Upstream

from puna.errors import APIConnectionError, APIError, APITimeoutError
from puna.transports.tls import TLSConfig
from puna.types.secret import Secret
from puna.wire.http import HTTPRequest, Timeouts
from puna.wire.sigv4 import Signing, sign

PATIENT = Timeouts()
QUICK = Timeouts(connect_s=0.5, idle_s=0.5, total_s=0.5)

SIGNING = Signing(Secret("AKIDEXAMPLE"), Secret("canary"), "us-east-1", "service")


def _request(url: str, timeouts: Timeouts = PATIENT, *, is_stream: bool = False) -> HTTPRequest:
    headers = {"authorization": "Bearer sk-canary"}
    return HTTPRequest("POST", url + "/chat/completions", headers, b"{}", timeouts, is_stream)


EACH = pytest.mark.parametrize(
    "send",
    [send_sync, send_async, send_lean, send_lean_uvloop],
    ids=["sync", "async", "lean", "lean on uvloop"],
)


@EACH
def test_a_reply_has_its_status_lower_case_headers_and_body(send: Send, upstream: Upstream) -> None:
    upstream.plays(Reply.bytes_of(b"abc", status=418, X_Mixed_Case="v"))
    reply = send(_request(upstream.url))
    assert (reply.status, reply.body, reply.headers["x-mixed-case"]) == (418, b"abc", "v")
    assert upstream.requests[0].headers["authorization"] == "Bearer sk-canary"


@EACH
def test_what_was_signed_is_what_is_sent(send: Send, upstream: Upstream) -> None:
    upstream.plays(Reply.bytes_of(b"{}"))
    url = f"{upstream.url}/model/us.meta.llama3-3-70b-instruct-v1%3A0/converse?a=b%20c"
    headers = {"accept": "a/b", "content-type": "application/json"}
    signed = sign(HTTPRequest("POST", url, headers, b'{"a":1}'), SIGNING, 1_440_938_160.0)
    send(signed)
    (got,) = upstream.requests
    assert f"http://{got.headers['host']}{got.path}" == url
    assert got.body == signed.body
    # Signed again from what came over the wire, it has the same signature.
    came = {name: got.headers[name] for name in ("accept", "content-type")}
    again = sign(HTTPRequest(got.method, url, came, got.body), SIGNING, 1_440_938_160.0)
    assert got.headers["authorization"] == again.headers["authorization"]


@pytest.mark.case(39)
@EACH
@pytest.mark.parametrize("is_stream", [False, True])
def test_bodies_are_decompressed(send: Send, is_stream: bool, upstream: Upstream) -> None:  # noqa: FBT001 - a parametrised case
    reply = Reply.bytes_of(b"squeeze " * 99)
    upstream.plays(reply.gzipped(), reply.gzipped().chunked(), reply.chunked())
    for _ in range(3):
        assert send(_request(upstream.url, is_stream=is_stream)).body == b"squeeze " * 99


@pytest.mark.case(40)
@EACH
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(send: Send, status: int, upstream: Upstream) -> None:
    with Upstream() as other:
        upstream.plays(Reply.redirect(other.url, status))
        assert send(_request(upstream.url)).status == status
        assert other.requests == []


@pytest.mark.case(145)
@EACH
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
    assert 0.4 < time.monotonic() - began_at < 10
    assert "canary" not in str(caught.value)


@pytest.mark.case(145)
@EACH
def test_a_dripping_body_ends_in_time(send: Send, upstream: Upstream) -> None:
    upstream.plays(Reply.drip(0.05))
    began_at = time.monotonic()
    with pytest.raises(APITimeoutError):
        send(_request(upstream.url, QUICK))
    assert 0.4 < time.monotonic() - began_at < 10


@pytest.mark.case(145)
@EACH
def test_a_connection_that_nobody_accepts_ends_in_time(send: Send) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.create_connection(address) for _ in range(1)]
        began_at = time.monotonic()
        with pytest.raises(APITimeoutError):
            send(_request(f"http://127.0.0.1:{address[1]}", QUICK))
        assert time.monotonic() - began_at < 10
        with pytest.raises(APITimeoutError, match=r"within 0\.1 s"):
            send(_request(f"http://127.0.0.1:{address[1]}", Timeouts(0.1, None, None)))
        for sock in waiting:
            sock.close()


@pytest.mark.case(59)
@EACH
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


@EACH
def test_without_limits_a_reply_may_take_its_time(send: Send, upstream: Upstream) -> None:
    upstream.plays(Reply.json({}).after(0.05))
    assert send(_request(upstream.url, Timeouts(None, None, None))).status == 200


@pytest.mark.case(51, 146)
@EACH
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
@EACH
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


@pytest.mark.case(146)
@EACH
def test_a_certificate_that_nobody_vouches_for_is_refused(
    send: Send, secure_upstream: Upstream
) -> None:
    with pytest.raises(APIConnectionError, match=r"(?i)localhost.*certificate"):
        send(_request(secure_upstream.url))
    assert secure_upstream.requests == []


@pytest.mark.case(38)
@EACH
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
@EACH
def test_tls_spoken_to_a_plain_port_is_a_connection_error(send: Send, upstream: Upstream) -> None:
    with pytest.raises(APIError, match=r"https://127\.0\.0\.1"):
        send(_request(upstream.url.replace("http:", "https:"), QUICK))
