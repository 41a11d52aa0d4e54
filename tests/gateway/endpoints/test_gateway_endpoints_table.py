"""Who is let in, and which methods each path answers."""

from __future__ import annotations

import pytest
from tests.support.asgi import CHAT, CONFIG, MODEL, House
from tests.support.open_gateway import KEY
from tests.support.upstream import Upstream

from puna.gateway.endpoints.table import ENDPOINTS


@pytest.mark.case(156)
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "missing_api_key"),
        ({"authorization": "Bearer "}, "missing_api_key"),
        ({"authorization": f"Bearer {KEY}x"}, "invalid_api_key"),
        ({"authorization": f"Basic {KEY}"}, "invalid_api_key"),
        ({"x-api-key": "wrong"}, "invalid_api_key"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/health", "/model/info"])
def test_no_key_and_a_wrong_key_are_401(
    upstream: Upstream, headers: dict[str, str], code: str, path: str
) -> None:
    house = House(upstream, master_key=KEY)
    method = "POST" if path.endswith("completions") else "GET"
    answer = house.ask(path, CHAT, headers, method=method)
    assert answer.status == 401
    assert answer.error["code"] == code
    assert answer.error["type"] == "authentication_error"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["x-should-retry"] == "false"
    assert KEY not in answer.text + str(answer.headers)
    assert upstream.requests == []


@pytest.mark.case(157)
@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer {KEY}"},
        {"authorization": KEY},
        {"x-api-key": KEY},
        {"api-key": KEY},
        {"x-litellm-api-key": f"Bearer {KEY}"},
        {"X-Litellm-API-Key": KEY, "authorization": "Bearer other"},
    ],
)
def test_the_key_may_stand_in_several_headers(upstream: Upstream, headers: dict[str, str]) -> None:
    assert House(upstream, master_key=KEY).ask(headers=headers).status == 200


def test_an_operator_may_name_a_header_of_its_own(upstream: Upstream) -> None:
    config = CONFIG + (
        f"\ngeneral_settings: {{master_key: {KEY}, litellm_key_header_name: X-Team-Key}}\n"
    )
    house = House(upstream, config)
    assert house.ask(headers={"x-team-key": f"Bearer {KEY}"}).status == 200


@pytest.mark.case(130)
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "GET", "POST", "DELETE", "PATCH"])
def test_each_path_answers_every_method(upstream: Upstream, endpoint: object, method: str) -> None:
    one = next(row for row in ENDPOINTS if row == endpoint)
    answer = House(upstream).ask(one.path.replace("{model}", MODEL), CHAT, method=method)
    methods = {row.method for row in ENDPOINTS if row.path == one.path}
    allowed = {*methods, "OPTIONS", "HEAD" if "GET" in methods else ""}
    # Nothing is stored here: a path with a response's id is found, the response is not.
    answers = (404,) if "{response_id}" in one.path else (200, 400)
    if method == "HEAD":
        assert answer.body == b""
    if method == "OPTIONS":
        assert answer.status == 204
        assert "content-length" not in answer.headers
    elif method in allowed:
        assert answer.status in answers
    else:
        assert answer.status == 405
        assert one.method in answer.headers["allow"]
        assert method == "HEAD" or "takes" in answer.json["error"]["message"]


@pytest.mark.case(130)
def test_a_preflight_of_a_browser_is_answered(upstream: Upstream) -> None:
    house = House(upstream, master_key=KEY)
    origin = "https://chat.example.com"
    answer = house.ask(
        body=None,
        method="OPTIONS",
        headers={"origin": origin, "access-control-request-headers": "authorization, x-own"},
    )
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-headers"] == "authorization, x-own"
    assert "POST" in answer.headers["access-control-allow-methods"]
    told = house.ask(headers={"origin": origin, "x-api-key": KEY})
    assert told.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize("path", dict.fromkeys(one.path for one in ENDPOINTS))
def test_a_preflight_tells_the_methods_of_its_path(path: str) -> None:
    asked = path.replace("{model}", "a/b").replace("{response_id}", "resp_1")
    answer = House(master_key=KEY).ask(asked, None, method="OPTIONS")
    told = answer.headers["access-control-allow-methods"].split(", ")
    methods = {one.method for one in ENDPOINTS if one.path == path}
    assert set(told) == methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
    assert len(told) == len(set(told))


def test_a_page_may_read_that_there_is_no_such_path() -> None:
    headers = {"origin": "https://chat.example.com", "access-control-request-method": "PUT"}
    answer = House(master_key=KEY).ask("/v1/nothing", None, headers, method="OPTIONS")
    assert answer.headers["access-control-allow-methods"] == "PUT, OPTIONS"


@pytest.mark.case(158)
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://[", "http://127.0.0.1.evil"]
)
def test_an_open_gateway_serves_no_pages_of_other_sites(upstream: Upstream, origin: str) -> None:
    house = House(upstream)
    answer = house.ask(headers={"origin": origin})
    assert answer.status == 403
    assert answer.error["code"] == "origin_not_allowed"
    assert "access-control-allow-origin" not in answer.headers
    assert upstream.requests == []
    preflight = house.ask(body=None, method="OPTIONS", headers={"origin": origin})
    assert "access-control-allow-origin" not in preflight.headers


@pytest.mark.case(158)
@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:8"])
def test_an_open_gateway_serves_pages_of_this_machine(upstream: Upstream, origin: str) -> None:
    assert House(upstream).ask(headers={"origin": origin}).status == 200
