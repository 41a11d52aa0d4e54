"""Which transport carries what: lean, or standard where the environment names a proxy."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.support.upstream import Upstream

from puna.client.settings import ClientSettings
from puna.embedded.supervisor import SupervisorPool
from puna.gateway.deployments.transport import GatewayTransport
from puna.wire.http import HTTPRequest


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def _made() -> GatewayTransport:
    return GatewayTransport(ClientSettings(), SupervisorPool())


def _request(url: str) -> HTTPRequest:
    return HTTPRequest("POST", url + "/chat/completions", {}, b"{}")


async def _ask(transport: GatewayTransport, url: str) -> None:
    reply = await transport.open(_request(url))
    await reply.read()
    await reply.close()


@pytest.mark.anyio
async def test_hosts_are_reached_directly_and_their_connections_kept(upstream: Upstream) -> None:
    transport = _made()
    for _ in range(3):
        await _ask(transport, upstream.url)
    assert upstream.connections == 1
    hosts = transport.to_hosts()
    lean = hosts.lean
    assert lean.open_connections == 1
    assert hosts.can_send(upstream.url)
    assert not hosts.can_send("embedded://model/chat/completions")
    await transport.close()
    assert lean.open_connections == 0


@pytest.mark.case(38)
@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.anyio
async def test_the_proxy_of_the_environment_is_used_and_its_exceptions_kept(
    name: str, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Upstream() as proxy:
        monkeypatch.setenv(name, proxy.origin)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,direct.test")
        transport = _made()
        await _ask(transport, "http://llama.invalid/v1")
        await _ask(transport, "http://llama.invalid/v1")
        assert proxy.requests[0].path == "http://llama.invalid/v1/chat/completions"
        await _ask(transport, upstream.url)
        assert len(proxy.requests) == 2
        assert len(upstream.requests) == 1
        hosts = transport.to_hosts()
        assert not hosts.can_send("http://llama.invalid/v1")
        assert hosts.can_send("http://direct.test:8080/v1")
        assert hosts.can_send("http://[bad")
        assert hosts.can_send("https://llama.invalid/v1") == (name.upper() != "ALL_PROXY")
        await transport.close()


@pytest.mark.anyio
async def test_many_hosts_behind_a_proxy_are_not_remembered_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.test:3128")
    transport = _made()
    for number in range(1_100):
        assert not transport.to_hosts().can_send(f"http://host{number}.test/v1")
    assert transport.to_hosts().proxies.cached_hosts == 1_024
    await transport.close()


def test_only_asyncio_loads_the_parser_of_the_lean_transport() -> None:
    child = "import sys, puna; puna.Client(); sys.exit('httptools' in sys.modules)"
    subprocess.run([sys.executable, "-c", child], check=True)
