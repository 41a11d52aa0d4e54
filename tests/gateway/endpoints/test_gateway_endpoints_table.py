"""Who is let in, which paths there are, and what they say without asking a model."""

from __future__ import annotations

import pytest
from tests.support.asgi import CHAT, CONFIG, MODEL, UPSTREAM_KEY, House
from tests.support.upstream import Reply, Upstream

from puna.gateway.endpoints.table import ENDPOINTS

KEY = "sk-master-canary-5512"
WILD = """
model_list:
  - model_name: meta_llama/*
    litellm_params: {model: meta_llama/*, api_key: os.environ/LLAMA_API_KEY, api_base: UPSTREAM}
"""


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


@pytest.mark.case(122)
def test_liveness_and_readiness_need_no_key(upstream: Upstream) -> None:
    house = House(upstream, master_key=KEY)
    for path in ("/health/liveliness", "/health/liveness", "/health/readiness", "/", "/routes"):
        assert house.get(path).status == 200
    assert house.get("/health/liveliness").json == "I'm alive!"
    assert house.get("/health/readiness").json["status"] == "healthy"
    assert upstream.requests == []


@pytest.mark.case(122)
def test_health_asks_each_model_once_and_tells_of_each(upstream: Upstream) -> None:
    config = CONFIG + (
        "  - model_name: sick\n"
        f"    litellm_params: {{model: meta_llama/sick, api_key: {KEY}, api_base: UPSTREAM}}\n"
    )
    upstream.plays_always(
        lambda r: Reply.error(503, f"bad {KEY}") if r.json["model"] == "sick" else Reply.json(OK)
    )
    found = House(upstream, config).ask("/health", None).json
    assert (found["healthy_count"], found["unhealthy_count"]) == (1, 1)
    assert found["healthy_endpoints"][0]["model"] == MODEL
    assert "503" in found["unhealthy_endpoints"][0]["error"]
    assert KEY not in str(found)
    assert len(upstream.requests) == 2
    assert {request.json["max_tokens"] for request in upstream.requests} == {1}


OK = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "y"}}]}


@pytest.mark.case(118)
@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_models_lists_what_is_configured(upstream: Upstream, prefix: str) -> None:
    found = House(upstream).get(f"{prefix}/models").json
    assert found["object"] == "list"
    assert [one["id"] for one in found["data"]] == [MODEL]
    assert found["data"][0]["owned_by"] == "meta_llama"
    assert found["data"][0]["object"] == "model"


@pytest.mark.case(118)
@pytest.mark.parametrize("name", [MODEL, MODEL.replace("/", "%2F")])
def test_one_model_is_found_with_its_slash(upstream: Upstream, name: str) -> None:
    answer = House(upstream).get(f"/v1/models/{name}")
    assert answer.json["id"] == MODEL
    assert answer.json["max_input_tokens"] == 128_000


@pytest.mark.case(118)
def test_an_unknown_model_is_404(upstream: Upstream) -> None:
    house = House(upstream, master_key=KEY)
    answer = house.get("/v1/models/meta_llama/none", {"x-api-key": KEY})
    assert answer.status == 404
    assert answer.error["code"] == "model_not_found"


@pytest.mark.case(162)
def test_a_wildcard_is_listed_by_what_it_stands_for(upstream: Upstream) -> None:
    house = House(upstream, WILD, master_key=KEY)
    headers = {"x-api-key": KEY}
    names = [one["id"] for one in house.get("/v1/models", headers).json["data"]]
    assert MODEL in names
    assert len(names) >= 4
    assert house.get("/v1/models/meta_llama/any-id", headers).json["owned_by"] == "meta_llama"


def test_a_listed_model_that_cannot_be_used_is_listed_all_the_same(upstream: Upstream) -> None:
    config = (
        CONFIG
        + "  - {model_name: b, litellm_params: {model: meta_llama/b, api_key: os.environ/NO}}\n"
    )
    data = House(upstream, config).get("/models").json["data"]
    assert data[1]["owned_by"] == "puna"


@pytest.mark.case(123)
@pytest.mark.parametrize("path", ["/model/info", "/v1/model/info"])
def test_model_info_holds_no_key_and_no_address(upstream: Upstream, path: str) -> None:
    config = CONFIG + (
        f"    model_info: {{id: one, team: a, my_api_key: {KEY}, input_cost_per_token: 0.1}}\n"
        "  - model_name: other\n"
        "    litellm_params: {model: some-model, api_base: UPSTREAM}\n"
    )
    answer = House(upstream, config).get(path)
    first, second = answer.json["data"]
    assert first["model_name"] == MODEL
    assert first["model_info"]["id"] == "one"
    assert first["model_info"]["team"] == "a"
    assert first["model_info"]["input_cost_per_token"] == 0.1
    assert first["model_info"]["max_input_tokens"] == 128_000
    assert second["model_info"].keys() == {"id"}
    assert second["model_info"]["id"].startswith("some-model-")
    for secret in (KEY, UPSTREAM_KEY, str(upstream.port)):
        assert secret not in answer.text


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


@pytest.mark.case(171)
@pytest.mark.parametrize("path", ["/key/generate", "/key/info", "/key/delete", "/team/new"])
def test_virtual_keys_are_501_and_say_so(upstream: Upstream, path: str) -> None:
    answer = House(upstream, master_key=KEY).ask(path, {})
    assert answer.status == 501
    assert answer.error["code"] == "not_configured"
    assert "Virtual keys" in answer.error["message"]


@pytest.mark.case(125, 172)
@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/metrics", "metrics"),
        ("/v1/rerank", "rerank"),
        ("/none", "There is no endpoint"),
        ("/v1/models-list", "There is no endpoint"),
        ("/engines//completions", "There is no endpoint"),
        ("/v1/engines/x", "There is no endpoint"),
    ],
)
def test_what_is_not_built_is_404_and_says_so(upstream: Upstream, path: str, what: str) -> None:
    answer = House(upstream).ask(path)
    assert answer.status == 404
    assert answer.error["code"] == "unknown_endpoint"
    assert what in answer.error["message"]


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/v1/v1/models", "/v1/models"),
        ("/v1/v1/v1/models", "/v1/models"),
        ("//v1/models", "/v1/models"),
        ("/v1//models", "/v1/models"),
        ("/v1/v1/models/some/model", "/v1/models/some/model"),
        ("/api/v1/models", "/v1/models"),
        ("/v1/chat/completions/models", "/models"),
        ("/v1/model", "/v1/models"),
        ("/V1/Models", "/v1/models"),
    ],
)
def test_a_path_that_is_nearly_one_names_it(upstream: Upstream, path: str, meant: str) -> None:
    message = House(upstream).get(path).error["message"]
    assert f"did you mean `{meant}`?" in message
    assert ("base URL" in message) == path.endswith(meant)


@pytest.mark.parametrize(
    "path",
    [
        "/none",
        "/v1",
        "/v1/engines/x",
        "/v1/v1/chat/completions",
        "/v1/" + "models" * 1000,
    ],
)
def test_a_path_that_is_near_to_none_gets_no_guess(upstream: Upstream, path: str) -> None:
    assert "did you mean" not in House(upstream).get(path).error["message"]


def test_the_home_page_lists_the_endpoints(upstream: Upstream) -> None:
    answer = House(upstream).get("/")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "POST /v1/chat/completions" in answer.text
    assert "POST /v1/chat/completions" in House(upstream).get("/routes").json["routes"]
