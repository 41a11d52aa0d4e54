"""Budgets of the configuration: what they pay is admitted, exactly, and nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from tests.gateway.test_gateway_visit import COSTS_NOTHING
from tests.support.asgi import Answer, House
from tests.support.lanes import read_answer, request_bytes
from tests.support.live import Live
from tests.support.upstream import USAGE, Reply, Upstream
from tests.support.usual import USUAL, play

from puna.gateway.admission import BudgetAdmission
from puna.gateway.endpoints.rows import Endpoint
from puna.gateway.endpoints.table import ENDPOINTS
from puna.governance.budgets import Budget, Unit
from puna.governance.ledger import Usage
from puna.governance.windows import Window
from puna.transports.replay import AsyncReplayTransport

PRICED = "input_cost_per_token: 0.000001, output_cost_per_token: 0.000002"
CALL_TOKENS = USAGE["total_tokens"]
CALL_PICOS = USAGE["prompt_tokens"] * 10**6 + USAGE["completion_tokens"] * 2 * 10**6
KEY = "sk-master-4471"
EVER = Window.parse(None)
CHAT: Mapping[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def config_of(
    settings: str, price: str = PRICED, url: str = "http://up.test/v1", general: str = ""
) -> str:
    return f"""
model_list:
  - model_name: m
    litellm_params: {{model: openai/m, api_key: sk-host, api_base: "{url}", {price}}}
  - model_name: other
    litellm_params: {{model: openai/other, api_key: sk-host, api_base: "{url}", {price}}}
router_settings: {{disable_cooldowns: true, num_retries: 0}}
litellm_settings: {{{settings}}}
general_settings: {{always_include_stream_usage: true, {general}}}
"""


def house_of(settings: str, price: str = PRICED, general: str = "") -> House:
    config = config_of(settings, price, general=general)
    return House(config=config, transport=AsyncReplayTransport(play))


def budgets_of(app: Any) -> BudgetAdmission:
    budgets = app._worker.budgets
    assert isinstance(budgets, BudgetAdmission)
    return budgets


def usage_of(app: Any, scope: str = "global", unit: Unit = "money", limit: int = 0) -> Usage:
    now_s = int(app._worker.clock.now())
    return budgets_of(app).ledger.usage(Budget(scope, unit, limit, EVER), now_s)


def nothing_is_held(app: Any) -> bool:
    return not list(budgets_of(app).ledger.open_holds) and not budgets_of(app).waiting


async def ask_all(port: int, count: int, clients: int, *, streams: bool) -> Counter[int]:
    """How often each status came: clients that ask without a pause, until all is asked."""
    statuses: Counter[int] = Counter()
    left = list(range(count))

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while left:
            number = left.pop()
            path = "/v1/messages" if number % 5 == 0 else "/v1/chat/completions"
            body: dict[str, Any] = {**CHAT, "max_tokens": 9} if number % 5 == 0 else dict(CHAT)
            if streams and number % 2:
                body["stream"] = True
            writer.write(request_bytes(body, {}, path))
            got = b""
            while (answer := read_answer(got)) is None:
                piece = await reader.read(65_536)
                assert piece, got
                got += piece
            statuses[answer.status] += 1
        writer.close()

    await asyncio.gather(*(ask() for _ in range(clients)))
    return statuses


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "mixed"])
@pytest.mark.parametrize(
    ("setting", "unit", "used"),
    [
        (f"max_budget: 0.{500 * CALL_PICOS:012d}", "money", 500 * CALL_PICOS),
        (f"max_tokens_budget: {500 * CALL_TOKENS}", "tokens", 500 * CALL_TOKENS),
    ],
    ids=["money", "tokens"],
)
def test_a_budget_for_500_calls_pays_500_of_800(
    upstream: Upstream, setting: str, unit: Unit, used: int, *, streams: bool
) -> None:
    """Whatever was reserved for them: what others give back is waited for."""
    config = config_of(setting + ", budget_wait_time: 60", url=upstream.url)
    with Live(config) as live:
        statuses = asyncio.run(ask_all(live.port, 800, 64, streams=streams))
        assert statuses == {200: 500, 429: 300}
        assert upstream.sees(lambda: live.do(lambda: nothing_is_held(live.app)))
        usage = live.do(lambda: usage_of(live.app, unit=unit, limit=used))
        assert (usage.settled, usage.held, usage.debt) == (used, 0, 0)
    assert len(upstream.requests) == 500


def test_spend_outlives_a_reload_and_limits_change_with_it(upstream: Upstream) -> None:
    paid_twice = config_of(f"max_budget: 0.{2 * CALL_PICOS:012d}", url=upstream.url)
    with Live(paid_twice) as live:
        assert asyncio.run(ask_all(live.port, 3, 1, streams=False)) == {200: 2, 429: 1}
        live.reload(paid_twice.replace("num_retries: 0", "num_retries: 1"))
        assert asyncio.run(ask_all(live.port, 1, 1, streams=False)) == {429: 1}
        live.reload(config_of(f"max_budget: 0.{3 * CALL_PICOS:012d}", url=upstream.url))
        assert asyncio.run(ask_all(live.port, 2, 1, streams=False)) == {200: 1, 429: 1}
        live.reload(config_of("", url=upstream.url))
        assert asyncio.run(ask_all(live.port, 2, 1, streams=False)) == {200: 2}


@pytest.mark.parametrize("events", range(1, 4))
def test_a_stream_that_its_client_left_is_charged_and_holds_nothing(
    upstream: Upstream, events: int
) -> None:
    upstream.plays_always(Reply.endless())
    with Live(config_of("max_budget: 1", url=upstream.url)) as live:

        async def leave() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
            writer.write(request_bytes({**CHAT, "stream": True}))
            for _ in range(events):
                await reader.readuntil(b"data: ")
            writer.close()

        asyncio.run(leave())
        assert upstream.sees(lambda: upstream.open_replies == 0)
        assert upstream.sees(lambda: live.do(lambda: nothing_is_held(live.app)))
        assert live.do(lambda: usage_of(live.app)).settled > 0


def usual(house: House, endpoint: Endpoint) -> Answer:
    path = endpoint.path.replace("{model}", "m")
    body = {"model": "m", **USUAL[endpoint.name]} if endpoint.name in USUAL else None
    return house.ask(path, body, method=endpoint.method)


SPENDING = [one for one in ENDPOINTS if one.name not in COSTS_NOTHING]


@pytest.mark.parametrize("endpoint", SPENDING, ids=lambda one: f"{one.method}-{one.path}")
def test_each_endpoint_that_spends_is_governed(endpoint: Endpoint) -> None:
    house = house_of("max_budget: 1, max_tokens_budget: 1000000")
    assert usual(house, endpoint).status == 200
    assert nothing_is_held(house.app)
    if endpoint.name != "moderation":  # whose host tells no tokens
        assert usage_of(house.app).settled > 0
        assert usage_of(house.app, unit="tokens").settled > 0
    for settings in ("max_budget: 0", "max_tokens_budget: 0"):
        spent = house_of(settings)
        answer = usual(spent, endpoint)
        assert answer.status == 429
        kind = "rate_limit_error" if endpoint.name == "messages" else "budget_exceeded"
        assert answer.json["error"]["type"] == kind
        assert nothing_is_held(spent.app)
        assert usage_of(spent.app).settled == 0


@pytest.mark.parametrize("name", sorted(COSTS_NOTHING - {"cancel_response", "forget_response"}))
def test_what_costs_nothing_is_answered_when_all_is_spent(name: str) -> None:
    (endpoint,) = [one for one in ENDPOINTS if one.name == name][:1]
    answer = usual(house_of("max_budget: 0"), endpoint)
    assert answer.status in (200, 404), answer.text  # 404: no such response


def test_a_refusal_names_the_budget_and_when_it_starts_anew() -> None:
    house = house_of("max_budget: 0.00003, budget_duration: 1d, budget_exceeded_status_code: 422")
    assert house.ask(body=CHAT).status == 200
    assert house.ask(body=CHAT).status == 200
    refused = house.ask(body=CHAT)
    assert refused.status == 422
    error = refused.json["error"]
    assert (error["type"], error["code"]) == ("budget_exceeded", "budget_exceeded")
    assert error["message"].startswith(
        "Budget has been exceeded! Current cost: 0.000038, Max budget: 0.00003. The budget is that "
        "of `global`; calls under way hold 0 of it, and this request may use 0.002"
    )
    assert "It starts anew at 20" in error["message"]
    assert "T00:00:00+00:00." in error["message"]
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
    ever = house_of("max_tokens_budget: 0").ask(body=CHAT)
    assert "Current tokens: 0, Max tokens: 0." in ever.json["error"]["message"]
    assert "It does not start anew: raise its limit." in ever.json["error"]["message"]
    assert "retry-after" not in ever.headers


def test_a_model_has_a_budget_of_its_own() -> None:
    house = house_of("model_max_budget: {m: {budget_limit: 0.000019, time_period: 30d}}")
    assert [house.ask(body=CHAT).status for _ in range(2)] == [200, 429]
    assert house.ask(body={**CHAT, "model": "other"}).status == 200


def test_a_probe_of_all_models_counts_against_the_budget_of_each() -> None:
    key, header = f"master_key: {KEY}", {"authorization": f"Bearer {KEY}"}
    spent = house_of("model_max_budget: {other: {max_budget: 0}}", general=key)
    assert spent.ask("/health", None, header).status == 429
    assert nothing_is_held(spent.app)
    budgets = "model_max_budget: {m: {max_budget: 1}, other: {max_tokens_budget: 99999}}"
    both = house_of(budgets, general=key)
    assert both.ask("/health", None, header).status == 200
    assert usage_of(both.app, "model:m").settled == CALL_PICOS
    assert usage_of(both.app, "model:other", "tokens").settled == CALL_TOKENS
    assert nothing_is_held(both.app)


@pytest.mark.parametrize("policy", ["", "unpriced_calls: allow"])
def test_a_call_without_a_price_is_admitted_and_its_tokens_count(
    policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    house = house_of(f"max_budget: 0, max_tokens_budget: {2 * CALL_TOKENS}, {policy}", price="")
    with caplog.at_level(logging.WARNING, "puna.gateway"):
        assert [house.ask(body=CHAT).status for _ in range(3)] == [200, 200, 429]
    told = [one for one in caplog.messages if "The price of `m` is not known" in one]
    assert len(told) == 1
    assert usage_of(house.app, unit="tokens").settled == 2 * CALL_TOKENS


def test_a_call_without_a_price_is_refused_where_the_operator_says_so() -> None:
    blocked = house_of("max_budget: 5, unpriced_calls: block", price="").ask(body=CHAT)
    assert (blocked.status, blocked.json["error"]["code"]) == (400, "unknown_price")
    only_tokens = house_of("max_tokens_budget: 9999, unpriced_calls: block", price="")
    assert only_tokens.ask(body=CHAT).status == 200


def test_a_strict_budget_pays_only_for_what_has_a_limit_and_fits() -> None:
    strict = house_of("max_tokens_budget: 200, strict_budget: true")
    unbounded = strict.ask(body=CHAT)
    assert (unbounded.status, unbounded.json["error"]["code"]) == (400, "no_limit")
    assert strict.ask(body={**CHAT, "max_tokens": 9}).status == 200
    too_much = strict.ask(body={**CHAT, "max_tokens": 200})
    assert too_much.status == 429
    assert "Current tokens: 15, Max tokens: 200." in too_much.json["error"]["message"]
