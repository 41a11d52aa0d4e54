"""Limits of a provider's own service hold at its own address only (issue 10, B2)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.asgi import CHAT, CONFIG, MODEL, House
from tests.support.lanes import PlayedTransport
from tests.support.upstream import Reply, Upstream

from puna.catalog.facts import list_models
from puna.gateway.passing.routes import make_route
from puna.providers.base import Provider, resolve_target
from puna.providers.table import PROVIDERS
from puna.transports.replay import Recorded
from puna.types.secret import Secret

ELSEWHERE = "http://127.0.0.1:9/v1"
FROM_ENVIRONMENT = CONFIG.replace("      api_base: UPSTREAM\n", "")
VERSION = {"anthropic-version": "2023-06-01"}
FREE: dict[str, Any] = {
    "max_tokens": 32_000,
    "reasoning_effort": "low",
    "response_format": {"type": "json_object"},
}


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("more", [{}, {"user": "u", "tools": []}, {"num_retries": 0}])
def test_a_host_of_the_users_own_gets_what_metas_closed_service_refused(
    upstream: Upstream,
    is_stream: bool,  # noqa: FBT001 - a parameter of the test
    more: dict[str, Any],
) -> None:
    more = {name: value for name, value in more.items() if value != []}
    answer = House(upstream).ask(body={**CHAT, **FREE, **more, "stream": is_stream})
    assert answer.status == 200
    sent = upstream.requests[0].json
    assert {name: sent.get(name) for name in FREE} == FREE
    assert "x-puna-dropped-params" not in answer.headers


def test_so_does_a_host_that_the_environment_names(upstream: Upstream) -> None:
    house = House(upstream, FROM_ENVIRONMENT, environ={"LLAMA_API_BASE": upstream.url})
    assert house.ask(body={**CHAT, **FREE}).status == 200
    sent = upstream.requests[0].json
    assert {name: sent.get(name) for name in FREE} == FREE


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_limit_of_the_messages_api_reaches_a_host_of_the_users_own_whole(
    upstream: Upstream,
    is_stream: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    if is_stream:
        upstream.plays(Reply.text_stream("ok"))
    body = {**CHAT, "max_tokens": 32_000, "stream": is_stream}
    answer = House(upstream).ask("/v1/messages", body, VERSION)
    assert answer.status == 200
    assert upstream.requests[0].json["max_tokens"] == 32_000
    assert "x-puna-dropped-params" not in answer.headers


def test_the_limit_of_one_deployment_does_not_cut_what_another_is_asked(
    upstream: Upstream,
) -> None:
    upstream.plays(Reply.error(500, "broken"))
    config = (
        f"{CONFIG}  - model_name: b\n"
        "    litellm_params: {model: groq/b, api_key: k, api_base: UPSTREAM}\n"
        "    model_info: {max_output_tokens: 100}\n"
        f"router_settings: {{num_retries: 0, fallbacks: [{{{MODEL}: [b]}}]}}\n"
    )
    answer = House(upstream, config).ask("/v1/messages", {**CHAT, "max_tokens": 32_000}, VERSION)
    assert answer.status == 200
    assert [sent.json["max_tokens"] for sent in upstream.requests] == [32_000, 100]
    assert answer.headers["x-puna-dropped-params"] == "max_tokens"


def test_the_fast_lane_watches_no_parameter_that_only_the_closed_service_refused(
    upstream: Upstream,
) -> None:
    house = House(upstream)
    transport = PlayedTransport(lambda _: Recorded(200, {}, [b"{}"]))
    route = make_route(house.directory, MODEL, transport)
    assert route is not None
    assert route.rules.watched_params.isdisjoint(FREE)


ROWS = [row for row in PROVIDERS.values() if list_models(row.name) and row.has_fixed_address]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_no_limit_of_the_catalogue_holds_at_another_address_of_any_row(row: Provider) -> None:
    for facts in list_models(row.name, include_previews=True):
        own = resolve_target(row, facts.model, {}, api_key=Secret("k"))
        assert own.max_output_tokens == facts.max_output_tokens
        named = resolve_target(row, facts.model, {}, api_base=ELSEWHERE)
        assert (named.max_output_tokens, named.model_end) == (None, None)
        for variable in row.base_url_variables:
            told = resolve_target(row, facts.model, {variable: ELSEWHERE})
            assert told.max_output_tokens is None


def test_metas_own_address_keeps_its_limits() -> None:
    row = PROVIDERS["meta_llama"]
    own = resolve_target(row, "Llama-3.3-8B-Instruct", {}, api_key=Secret("k"))
    assert own.max_output_tokens == 4_028
    assert not own.quirks.accepts("reasoning_effort")
    assert own.quirks.response_formats == frozenset(("json_schema",))
    assert own.retirement is not None
