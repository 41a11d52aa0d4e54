"""Errors of hosts that are not reached, or refuse a key, say which deployment and what to do."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.support.asgi import CHAT, CONFIG, House
from tests.support.faces import BOTH, KEY, MODEL, ONCE, Face
from tests.support.upstream import Reply, Upstream

from puna import APIError, ClientSettings
from puna.transports.failures import connection_error
from puna.transports.replay import Recorded
from puna.wire.http import HTTPRequest


def error_of(face: Face, base: str) -> APIError:
    settings = ClientSettings(environ={})
    with pytest.raises(APIError) as caught:
        face.ask(settings, "openai/m", api_base=base, api_key=KEY, num_retries=0)
    return caught.value


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """A host that speaks TLS, with a certificate that nobody trusts."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    _make_certificate(key, certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Upstream(context) as server:
        yield server


def _make_certificate(key: Path, certificate: Path) -> None:
    names = ("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650"),
            *("-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost", *names),
        ],
        check=True,
        capture_output=True,
    )


@BOTH
def test_a_host_where_nothing_listens(face: Face) -> None:
    base = f"http://127.0.0.1:{free()}/v1"
    said = str(error_of(face, base))
    for words in (f"`{base.removesuffix('/v1')}`", "nothing listens there", f"`openai/m@{base}`"):
        assert words in said


@BOTH
def test_a_name_that_is_none(face: Face) -> None:
    said = str(error_of(face, "http://no-such-host.invalid/v1"))
    assert "correct the address (`api_base`)" in said


@BOTH
@pytest.mark.parametrize("is_own", [True, False])
def test_only_a_closed_service_that_is_not_reached_is_said_to_be_closed(
    face: Face, *, is_own: bool
) -> None:
    def play(request: HTTPRequest) -> Recorded:
        raise connection_error(request, OSError("Name or service not known"), was_sent=False)

    address: dict[str, Any] = {} if is_own else {"api_base": "http://no-such-host.invalid/v1"}
    with pytest.raises(APIError) as caught:
        face.ask(ClientSettings(environ={}), MODEL, play=play, api_key=KEY, **ONCE, **address)
    assert str(caught.value).count("Meta retired its hosted Llama API") == is_own


@BOTH
def test_https_at_a_host_that_speaks_http(face: Face) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as plain:
        Thread(target=plain.serve_forever, daemon=True).start()
        said = str(error_of(face, f"https://127.0.0.1:{plain.server_port}/v1"))
        plain.shutdown()
    assert "write `http://`" in said


@BOTH
def test_http_at_a_host_that_speaks_https(face: Face, secure: Upstream) -> None:
    said = str(error_of(face, secure.url.replace("https:", "http:")))
    assert "write `https://`" in said


@BOTH
def test_a_certificate_that_nobody_trusts(face: Face, secure: Upstream) -> None:
    said = str(error_of(face, secure.url))
    assert "`SSL_CERT_FILE`" in said


@BOTH
def test_a_server_that_tells_of_tls_itself(face: Face, upstream: Upstream) -> None:
    upstream.plays(Reply.error(400, "Client sent an HTTP request to an HTTPS server."))
    assert "write `https://`" in str(error_of(face, upstream.url))


@BOTH
@pytest.mark.parametrize(("status", "fix"), [(401, "check the one"), (403, "check the one")])
def test_a_key_that_the_host_refuses(face: Face, upstream: Upstream, status: int, fix: str) -> None:
    upstream.plays(Reply.error(status, "bad key"))
    said = str(error_of(face, upstream.url))
    for words in ("bad key", fix, "`api_key`", f"`openai/m@{upstream.url}`"):
        assert words in said
    assert KEY not in said


@BOTH
def test_an_address_with_a_whole_path_in_it(face: Face, upstream: Upstream) -> None:
    upstream.plays(Reply.error(404, "Not Found"))
    said = str(error_of(face, f"{upstream.url}/chat/completions"))
    assert "`api_base`) ends with `/chat/completions`" in said


@pytest.mark.parametrize("status", [401, 403])
def test_a_gateway_names_the_deployment_and_keeps_the_address_to_its_log(
    upstream: Upstream, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.plays(Reply.error(status, "bad key"))
    house = House(upstream, f"{CONFIG}    model_info: {{id: first}}\n")
    answer = house.ask(body={**CHAT, "num_retries": 0})
    assert answer.status == status
    assert "deployment `first`" in answer.error["message"]
    assert str(upstream.port) not in answer.text
    assert str(upstream.port) in caplog.text
