"""Web pages before a gateway without a key: what they may not read, and not spend."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.asgi import CHAT, CONFIG, MODEL, House
from tests.support.lanes import Edge, request_bytes
from tests.support.upstream import Reply, Upstream

from puna.gateway.requests.host_header import host_fault, is_safe_host, read_host
from puna.transports.replay import Recorded
from puna.wire.http import HTTPRequest

KEY = "sk-master-canary-5512"
OK = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "y"}}]}
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


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", "who-knows"])
@pytest.mark.parametrize(
    "path", ["/v1/models", "/model/info", "/health", "/v1/responses/resp_1", "/v1/nothing"]
)
def test_an_image_of_another_site_gets_nothing(upstream: Upstream, site: str, path: str) -> None:
    headers = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    answer = House(upstream).get(path, headers)
    assert answer.status == 403
    assert answer.error["code"] == "origin_not_allowed"
    assert MODEL not in answer.text
    assert upstream.requests == []


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_form_of_another_site_is_refused(upstream: Upstream, method: str) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    for path in ("/v1/chat/completions", "/health", "/v1/responses/resp_1"):
        assert House(upstream).ask(path, CHAT, headers, method=method).status == 403
    assert upstream.requests == []


def test_a_link_from_anywhere_may_lead_to_what_needs_no_key(upstream: Upstream) -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    house = House(upstream)
    assert house.get("/", link).status == 200
    assert house.get("/openapi.json", link).status == 200
    assert house.get("/v1/models", link).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:3000"},
        {"sec-fetch-site": "same-site", "origin": "http://app.localhost:3000"},
        {"sec-fetch-mode": "cors"},  # Node's fetch
        {},
    ],
)
def test_a_person_a_local_page_and_a_program_are_answered(
    upstream: Upstream, headers: dict[str, str]
) -> None:
    house = House(upstream)
    assert house.get("/v1/models", headers).status == 200
    assert house.ask(headers=headers).status == 200


def test_with_a_key_a_page_of_another_site_is_answered(upstream: Upstream) -> None:
    headers = {"sec-fetch-site": "cross-site", "x-api-key": KEY}
    assert House(upstream, master_key=KEY).ask(headers=headers).status == 200


def test_health_asks_nobody_unless_it_is_posted(upstream: Upstream) -> None:
    upstream.plays_always(lambda _: Reply.json(OK))
    house = House(upstream)
    known = house.get("/health")
    assert known.json["asked"] is False
    assert known.json["healthy_endpoints"][0]["model"] == MODEL
    assert upstream.requests == []
    assert house.ask("/health", None).json["asked"] is True
    assert len(upstream.requests) == 1


def test_health_tells_of_a_deployment_that_rests_and_of_one_that_cannot_be_used(
    upstream: Upstream,
) -> None:
    config = CONFIG + (
        "  - {model_name: b, litellm_params: {model: meta_llama/b, api_key: os.environ/NO}}\n"
        "router_settings: {allowed_fails: 0, cooldown_time: 20, num_retries: 0}\n"
    )
    upstream.plays_always(lambda _: Reply.error(500))
    house = House(upstream, config)
    assert house.get("/health").json["healthy_count"] == 1
    house.ask()
    found = house.get("/health").json
    assert (found["healthy_count"], found["unhealthy_count"]) == (0, 2)
    assert found["unhealthy_endpoints"][0]["error"] == "It rests for 20.0 s after failures."
    assert "NO" in found["unhealthy_endpoints"][1]["error"]
    house.clock.pass_time(20.5)
    assert house.get("/health").json["healthy_count"] == 1


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


LANES = """
model_list:
  - model_name: public
    litellm_params: {model: openai/up, api_base: "http://up/v1", api_key: sk-host-12345}
litellm_settings: {num_retries: 0}
"""
PLAIN = {"model": "public", "messages": [{"role": "user", "content": "hi"}]}


def play(_: HTTPRequest) -> Recorded:
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "up", **OK}
    return Recorded(200, {"content-type": "application/json"}, (json.dumps(body).encode(),))


def over_the_wire(head: str, *, is_fast: bool, config: str = LANES) -> tuple[int, int]:
    """The status of a chat request with these lines in its head, and how often the host heard."""
    body = json.dumps(PLAIN).encode()
    data = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body

    async def ask() -> tuple[int, int]:
        edge = Edge(play, config, is_fast=is_fast)
        answer = await edge.ask(data)
        return answer.status, len(edge.hot.requests) + len(edge.full.requests)

    return asyncio.run(ask())


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


@pytest.mark.parametrize("is_fast", [True, False])
@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("host: gateway:4000\r\n", (200, 1)),
        ("host: evil.example\r\n", (403, 0)),
        ("host: gateway\r\nsec-fetch-site: cross-site\r\n", (403, 0)),
        ("host: gateway\r\nsec-fetch-site: same-origin\r\n", (200, 1)),
        ("host: gateway\r\norigin: https://evil.example\r\n", (403, 0)),
    ],
)
def test_both_doors_refuse_the_same_pages(
    lines: str, told: tuple[int, int], *, is_fast: bool
) -> None:
    head = f"POST /v1/chat/completions HTTP/1.1\r\n{lines}"
    assert over_the_wire(head, is_fast=is_fast) == told


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
