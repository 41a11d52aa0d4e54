"""Paths that tell of the gateway: health, models, and what they need and cost."""

from __future__ import annotations

import pytest
from tests.support.asgi import CONFIG, MODEL, UPSTREAM_KEY, House
from tests.support.open_gateway import KEY, OK
from tests.support.upstream import Reply, Upstream


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


WILD = """
model_list:
  - model_name: meta_llama/*
    litellm_params: {model: meta_llama/*, api_key: os.environ/LLAMA_API_KEY, api_base: UPSTREAM}
"""


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


def test_the_home_page_lists_the_endpoints(upstream: Upstream) -> None:
    answer = House(upstream).get("/")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "POST /v1/chat/completions" in answer.text
    assert "POST /v1/chat/completions" in House(upstream).get("/routes").json["routes"]
