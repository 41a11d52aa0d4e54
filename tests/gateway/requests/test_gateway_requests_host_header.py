"""Names of hosts: which a gateway without a key answers, and that a request has one."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.asgi import CHAT, CONFIG, MODEL, House
from tests.support.lanes import Edge, request_bytes
from tests.support.open_gateway import KEY, LANES, PLAIN, over_the_wire, play
from tests.support.upstream import Upstream

from puna.gateway.requests.host_header import host_fault, is_safe_host, read_host

SAFE_HOSTS = [
    "localhost:4000",
    "LOCALHOST",
    "localhost.",
    "127.0.0.1:4000",
    "192.168.1.7:4000",
    "[::1]:4000",
    "gateway:4000",
    "my_service:4000",
    "app.localhost",
    "box.local",
    "host.docker.internal:4000",
    "puna.default.svc.cluster.local",
    "",
]
REBOUND_HOSTS = [
    "evil.example:4000",
    "evil.example.",
    "localhost.evil.example",
    "127.0.0.1.nip.io:4000",
    "127.0.0.1.evil",
    "1.2.3.4.5",
    "xn--lcalhost-53a.com",
    "evil.example:",
]


@pytest.mark.parametrize("host", REBOUND_HOSTS)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/model/info", "/health"])
def test_a_rebound_name_reads_no_models_and_spends_nothing(
    upstream: Upstream, host: str, path: str
) -> None:
    house = House(upstream)
    method = "POST" if path.endswith("completions") else "GET"
    # The page's site is the gateway's to its browser: this is all that tells.
    headers = {"host": host, "sec-fetch-site": "same-origin"}
    answer = house.ask(path, CHAT, headers, method=method)
    assert answer.status == 403
    assert answer.error["code"] == "host_not_allowed"
    assert MODEL not in answer.text
    assert upstream.requests == []


@pytest.mark.parametrize("host", SAFE_HOSTS)
def test_addresses_and_local_names_are_served(upstream: Upstream, host: str) -> None:
    assert House(upstream).ask(headers={"host": host}).status == 200


@pytest.mark.parametrize("host", REBOUND_HOSTS)
def test_with_a_key_the_host_does_not_matter(upstream: Upstream, host: str) -> None:
    house = House(upstream, master_key=KEY)
    assert house.ask(headers={"host": host, "x-api-key": KEY}).status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("llm.corp.example:80", 200),
        ("a.puna.example", 200),
        ("LLM.corp.example", 200),
        ("puna.example", 403),
        ("evil-puna.example.com", 403),
        ("other.corp.example", 403),
    ],
)
def test_an_operator_allows_names(upstream: Upstream, host: str, status: int) -> None:
    names = '["LLM.corp.example", "*.puna.example"]'
    house = House(upstream, CONFIG + f"\ngeneral_settings: {{allowed_hosts: {names}}}\n")
    assert house.ask(headers={"host": host}).status == status


@given(st.text(max_size=40))
def test_no_host_header_makes_the_check_fail(value: str) -> None:
    host = read_host(value)
    if host is not None:
        assert is_safe_host(host, ("*",))
        assert "/" not in host
        assert "," not in host
        assert not any(one.isspace() for one in host)


@given(
    st.from_regex(
        r"([a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?\.){1,3}(com|net|io|dev|example)", fullmatch=True
    )
)
def test_no_name_that_somebody_can_register_is_safe(name: str) -> None:
    assert not is_safe_host(name)
    assert not is_safe_host(name, ("other.example.com",))
    assert is_safe_host(name, (name,))


@pytest.mark.parametrize(
    ("hosts", "is_required", "is_right"),
    [
        ([b"a"], True, True),
        ([b""], True, True),
        ([], False, True),
        ([], True, False),
        ([b"a", b"a"], True, False),
        ([b"a", b"b"], False, False),
        ([b"a b"], True, False),
        ([b"a, b"], True, False),
        ([b"http://a"], True, False),
        ([b"a/b"], True, False),
        ([b"a@b"], True, False),
        ([b"a:port"], True, False),
        ([b"[::1"], True, False),
        ([b"\xff"], True, False),
        ([b"[::1]:80"], True, True),
    ],
)
def test_a_request_names_one_host(hosts: list[bytes], *, is_required: bool, is_right: bool) -> None:
    headers = [(b"accept", b"*/*"), *((b"host", one) for one in hosts)]
    assert (host_fault(headers, is_required=is_required) is None) is is_right


@pytest.mark.parametrize("is_fast", [True, False])
@pytest.mark.parametrize("key", ["", "general_settings: {master_key: sk-master-1}\n"])
@pytest.mark.parametrize(
    "hosts",
    [
        "",
        "host: a\r\nhost: a\r\n",
        "host: a\r\nHOST: b\r\n",
        "host: a, b\r\n",
        "host: a b\r\n",
    ],
)
def test_a_request_without_one_host_is_400_at_both_doors(
    hosts: str, key: str, *, is_fast: bool
) -> None:
    auth = "authorization: Bearer sk-master-1\r\n"
    head = f"POST /v1/chat/completions HTTP/1.1\r\n{hosts}{auth}"
    assert over_the_wire(head, is_fast=is_fast, config=LANES + key) == (400, 0)


@pytest.mark.parametrize("is_fast", [True, False])
def test_http_1_0_needs_no_host(*, is_fast: bool) -> None:
    head = "POST /v1/chat/completions HTTP/1.0\r\n"
    assert over_the_wire(head, is_fast=is_fast)[1] == 1


def test_a_connection_that_was_served_under_one_name_is_refused_under_another() -> None:
    async def ask() -> tuple[int, int]:
        edge = Edge(play, LANES, is_fast=True)
        protocol, wire = edge.connect()
        for host in ("gateway", "gateway", "evil.example"):
            wire.written = b""
            protocol.data_received(request_bytes(PLAIN, {"host": host}))
            for _ in range(50):
                await asyncio.sleep(0)
        return int(wire.written[9:12]), len(edge.hot.requests)

    assert asyncio.run(ask()) == (403, 2)
