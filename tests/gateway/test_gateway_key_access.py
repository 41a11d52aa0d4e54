"""A key that is limited to models, paths or networks: in every shape of request, in both lanes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.support.asgi import Answer
from tests.support.governed import CHAT, GovernedHouse, bearer, config_for
from tests.support.lanes import Edge, request_bytes
from tests.support.usual import USUAL, play

from puna.gateway.endpoints.table import ENDPOINTS

WITH_MODEL = [one for one in ENDPOINTS if one.body is not None and one.name in USUAL]


@pytest.fixture
def house(tmp_path: Path) -> GovernedHouse:
    return GovernedHouse(tmp_path)


@pytest.mark.parametrize("endpoint", WITH_MODEL, ids=lambda one: one.path)
def test_every_shape_of_request_is_held_to_the_models_of_its_key(
    house: GovernedHouse, endpoint: Any
) -> None:
    key = house.make_key(models=["m"])
    for model, status in (("m", 200), ("other", 403), ("llama/3", 403)):
        path = endpoint.path.replace("{model}", model)
        answer = house.ask(path, {"model": model, **USUAL[endpoint.name]}, bearer(key))
        assert answer.status == status, answer.text
        if status == 403:
            error = answer.json["error"]
            assert f"`{model}`" in error["message"]
            if "messages" not in endpoint.path:
                assert error["type"] == "key_model_access_denied"
                assert error["param"] == "model"
    assert all(b"other" not in one.body for one in house.transport.requests)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
@pytest.mark.parametrize("stream", [False, True])
def test_both_lanes_hold_to_the_models_of_a_key(tmp_path: Path, path: str, stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    house = GovernedHouse(tmp_path)
    key = house.make_key(models=["m", "llama/*"], aliases={"gpt-4": "m"})
    name = {"messages": "messages", "responses": "respond"}.get(path.split("/")[2], "chat")

    async def ask(model: str, *, is_fast: bool) -> tuple[int, str]:
        edge = Edge(play, config_for(house.url), is_fast=is_fast)
        assert edge.app.feed is not None
        await edge.app.feed.load()
        body = {"model": model, "stream": stream, **USUAL[name]}
        answer = await edge.ask(request_bytes(body, bearer(key), path))
        return answer.status, answer.headers.get("x-puna-lane", "")

    for model, expected in (
        ("m", [(200, "fast"), (200, "full")]),
        ("llama/3", [(200, "fast"), (200, "full")]),
        ("nickname", [(200, "fast"), (200, "full")]),
        ("gpt-4", [(200, "full"), (200, "full")]),
        ("other", [(403, ""), (403, "")]),
    ):
        answers = [asyncio.run(ask(model, is_fast=is_fast)) for is_fast in (True, False)]
        assert answers == expected, model


def test_the_fallbacks_that_a_request_names_are_held_to_the_models_too(
    house: GovernedHouse,
) -> None:
    key = house.make_key(models=["m"])
    assert house.chat(key, fallbacks=["m"]).status == 200
    refused = house.chat(key, fallbacks=["m", "other"])
    assert refused.status == 403
    assert "`other`" in refused.error["message"]


def names_in(answer: Answer) -> list[str]:
    data = answer.json
    return [one.get("id") or one["slug"] for one in data.get("data") or data["models"]]


def test_a_key_sees_its_models_only(house: GovernedHouse) -> None:
    key = house.make_key(models=["m", "llama/*"])
    group = house.make_key(models=["beta"])
    all_models = names_in(house.get("/v1/models", bearer(house.make_key())))
    assert all_models == ["m", "other", "nickname"]
    for headers, path in (
        ({}, "/v1/models"),
        ({"anthropic-version": "2023-06-01"}, "/v1/models"),
        ({}, "/v1/models?client_version=0.171.0"),
    ):
        for one in (key, group):
            assert names_in(house.get(path, {**bearer(one), **headers})) == ["m", "nickname"]
    assert house.get("/v1/models/m", bearer(key)).status == 200
    assert house.get("/v1/models/llama/3", bearer(key)).status == 200
    for name in ("other", "nothing"):
        answer = house.get(f"/v1/models/{name}", bearer(key))
        assert answer.status == 404
        assert answer.error["code"] == "model_not_found"
    info = house.get("/model/info", bearer(key)).json["data"]
    assert [one["model_name"] for one in info] == ["m", "llama/*"]
    health = house.get("/health", bearer(group)).json
    assert [one["model"] for one in health["healthy_endpoints"]] == ["m"]
    house.transport.requests.clear()
    assert house.ask("/health", None, bearer(group)).json["healthy_count"] == 1
    assert len(house.transport.requests) == 1


def test_an_unknown_name_within_a_wildcard_tells_of_no_other_model(tmp_path: Path) -> None:
    house = GovernedHouse(tmp_path)
    answer = house.chat(house.make_key(models=["x*"]), "xyz")
    assert answer.status == 404
    assert "other" not in answer.text
    assert "`other`" in house.chat(house.make_key(), "xyz").text


def test_a_limit_on_paths_holds_in_both_lanes(tmp_path: Path) -> None:
    house = GovernedHouse(tmp_path)
    chat = house.make_key(allowed_routes=["/chat/completions"])
    read_only = house.make_key(key_type="read_only")

    async def ask(key: str, path: str, body: Any, *, is_fast: bool) -> tuple[int, str]:
        edge = Edge(play, config_for(house.url), is_fast=is_fast)
        assert edge.app.feed is not None
        await edge.app.feed.load()
        answer = await edge.ask(request_bytes(body, bearer(key), path))
        return answer.status, answer.headers.get("x-puna-lane", "")

    responses = {"model": "m", "input": "hi"}
    for is_fast in (True, False):
        lane = "fast" if is_fast else "full"
        assert asyncio.run(ask(chat, "/v1/chat/completions", CHAT, is_fast=is_fast)) == (200, lane)
        assert asyncio.run(ask(chat, "/v1/responses", responses, is_fast=is_fast)) == (403, "")
        assert asyncio.run(ask(read_only, "/v1/chat/completions", CHAT, is_fast=is_fast)) == (
            403,
            "",
        )
    assert house.get("/v1/models", bearer(read_only)).status == 200
    refused = house.get("/v1/models", bearer(chat))
    assert refused.status == 403
    assert refused.error["code"] == "route_not_allowed"
    assert house.get("/key/info", bearer(chat)).status == 200


def test_a_key_of_a_network_is_refused_to_others_in_both_lanes(tmp_path: Path) -> None:
    house = GovernedHouse(tmp_path)
    key = house.make_key(allowed_ips=["10.0.0.0/8"])
    near = house.make_key(allowed_ips=["127.0.0.1", "0.0.0.0/0"])
    # Neither the connection of these tests nor a Unix socket has an address.
    for one in (key, near):
        refused = house.chat(one)
        assert refused.status == 403
        assert refused.error["code"] == "ip_not_allowed"

    async def ask() -> int:
        edge = Edge(play, config_for(house.url), is_fast=True)
        assert edge.app.feed is not None
        await edge.app.feed.load()
        return (await edge.ask(request_bytes(CHAT, bearer(key)))).status

    assert asyncio.run(ask()) == 403


def test_an_alias_of_a_key_is_asked_for_by_its_target(house: GovernedHouse) -> None:
    key = house.make_key(aliases={"gpt-4": "m"}, models=["m"])
    assert house.chat(key, "gpt-4").status == 200
    assert b'"model":"m"' in house.transport.requests[-1].body.replace(b": ", b":")
    assert house.chat(house.make_key(), "gpt-4").status == 404


def test_a_principal_says_whose_the_key_is_and_never_the_key(house: GovernedHouse) -> None:
    key = house.make_key(team_id="t", user_id="u", key_alias="app")
    found = house.app.keys.authenticate(bearer(key))
    assert (found.team_id, found.user_id, found.alias) == ("t", "u", "app")
    assert key not in repr(found)
