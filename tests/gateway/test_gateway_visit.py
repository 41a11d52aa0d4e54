"""Each request is a visit: admitted before it costs anything, closed once, settled at its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.asgi import House
from tests.support.clock import FakeClock
from tests.support.lanes import Edge, read_answer, request_bytes
from tests.support.ledger import Held, Ledger
from tests.support.upstream import completion_body
from tests.support.usual import USUAL, play

from puna.engine.usage_bounds import UsageBound
from puna.gateway.endpoints.rows import Endpoint
from puna.gateway.endpoints.table import ENDPOINTS
from puna.gateway.logs.access_log import AccessLog
from puna.gateway.visit import Visit, Visits
from puna.telemetry.events import CallEvent, Outcome
from puna.transports.replay import AsyncReplayTransport, Recorded
from puna.types.report import CallReport
from puna.wire.http import HTTPRequest

KEY = "sk-gateway-canary-2207"
TWO_MODELS = f"""
model_list:
  - model_name: m
    litellm_params:
      model: openai/m
      api_key: sk-host
      api_base: "http://up.test/v1"
      input_cost_per_token: 0.000001
      output_cost_per_token: 0.000002
  - model_name: other
    litellm_params: {{model: openai/other, api_key: sk-host, api_base: "http://up.test/v1"}}
litellm_settings: {{num_retries: 0}}
general_settings: {{master_key: {KEY}}}
"""
KEYED = {"x-litellm-api-key": KEY}
CHAT: Mapping[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
COSTS_NOTHING = frozenset(
    (
        *("count_tokens", "count_input", "input_items", "cancel_response", "response"),
        *("forget_response", "models", "model", "model_info", "health", "alive", "ready"),
        *("home", "routes", "openapi"),
    )
)
"""Endpoints that ask no host. A new endpoint is in neither this set nor `USUAL` until it is put
there."""


def house_of(ledger: Ledger, transport: AsyncReplayTransport | None = None) -> House:
    return House(
        config=TWO_MODELS, transport=transport or AsyncReplayTransport(play), admission=ledger
    )


def path_of(endpoint: Endpoint, house: House) -> str:
    if "{response_id}" not in endpoint.path:
        return endpoint.path.replace("{model}", "m")
    made = house.ask("/v1/responses", {"model": "m", "input": "hi"}, KEYED)
    return endpoint.path.replace("{response_id}", made.json["id"])


# --- every endpoint that costs something, and no other


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.method}-{one.path}")
def test_the_admission_sees_each_endpoint_that_asks_a_host_and_no_other(
    endpoint: Endpoint,
) -> None:
    ledger, transport = Ledger(), AsyncReplayTransport(play)
    house = house_of(ledger, transport)
    path = path_of(endpoint, house)
    ledger.admitted.clear()
    ledger.settled.clear()
    asked_before, ledger.spent = len(transport.requests), 0
    body = {"model": "m", **USUAL[endpoint.name]} if endpoint.name in USUAL else None
    answer = house.ask(path, body, KEYED, method=endpoint.method)
    assert answer.status == (400 if endpoint.name == "cancel_response" else 200), answer.text
    has_asked = len(transport.requests) > asked_before
    assert has_asked is (endpoint.name not in COSTS_NOTHING)
    assert [one.endpoint for one in ledger.admitted] == [endpoint.name] * has_asked
    assert ledger.settled == ledger.admitted
    assert ledger.held == 0
    for visit in ledger.admitted:
        assert visit.principal.key_id == "master"
        assert visit.status == 200
        assert len(visit.reports) == len(transport.requests) - asked_before
        assert {outcome for _, outcome in visit.reports} == {"success"}
    if has_asked and endpoint.name != "moderation":  # whose host tells no tokens
        assert ledger.spent > 0


@pytest.mark.parametrize(
    "endpoint",
    [one for one in ENDPOINTS if one.name not in COSTS_NOTHING],
    ids=lambda one: f"{one.method}-{one.path}",
)
def test_who_has_spent_all_is_refused_before_a_host_is_asked(endpoint: Endpoint) -> None:
    transport = AsyncReplayTransport(play)
    ledger = Ledger(refuses=True)
    house = house_of(ledger, transport)
    body = {"model": "m", **USUAL.get(endpoint.name, {})}
    for fields in ({}, {"stream": True}) if endpoint.answer.event else ({},):
        answer = house.ask(endpoint.path.replace("{model}", "m"), {**body, **fields}, KEYED)
        assert answer.status == 429
        assert "budget" in answer.json["error"]["message"]
    assert transport.requests == []
    assert ledger.settled == []


def test_the_health_check_is_the_spend_of_who_asks() -> None:
    ledger = Ledger()
    transport = AsyncReplayTransport(play)
    house_of(ledger, transport).ask("/health", None, KEYED)
    (visit,) = ledger.settled
    assert len(visit.reports) == len(transport.requests) == 2  # one for each deployment
    assert visit.principal.key_id == "master"


def test_each_call_of_a_request_reports_and_the_other_calls_end_before_it_is_closed() -> None:
    ledger = Ledger()
    house = house_of(ledger)
    prompts = [f"text {number}" for number in range(20)]
    answer = house.ask("/v1/completions", {"model": "m", "prompt": prompts}, KEYED)
    assert answer.status == 200
    (visit,) = ledger.settled
    assert [outcome for _, outcome in visit.reports] == ["success"] * 20

    def fail_the_third(request: HTTPRequest) -> Recorded:
        if "text 2" in request.body.decode():
            return Recorded(400, {}, [b"{}"])
        return play(request)

    house = house_of(ledger, AsyncReplayTransport(fail_the_third))
    answer = house.ask("/v1/completions", {"model": "m", "prompt": prompts}, KEYED)
    assert answer.status == 400
    visit = ledger.settled[-1]
    outcomes = [outcome for _, outcome in visit.reports]
    assert outcomes.count("failure") == 1
    assert ledger.held == 0


def test_what_is_asked_has_an_upper_bound_of_tokens_and_money() -> None:
    seen: list[UsageBound] = []

    class Looking(Ledger):
        def admit(self, visit: Visit) -> Any:
            seen.append(visit.bound)

    house = house_of(Looking())
    house.ask(body={**CHAT, "max_tokens": 7, "n": 2}, headers=KEYED)
    house.ask(body=CHAT, headers=KEYED)
    house.ask("/v1/embeddings", {"model": "m", "input": ["a", "b"]}, KEYED)
    bounded, unbounded, vectors = seen
    assert bounded.model == "m"
    assert bounded.most_tokens is not None
    assert vectors.most_tokens is not None
    assert 14 < bounded.most_tokens < 300
    prompt = bounded.most_tokens - 14
    assert bounded.most_picos == prompt * 10**6 + 14 * 2 * 10**6
    assert (unbounded.most_tokens, unbounded.most_picos) == (None, None)
    assert vectors.most_picos == vectors.most_tokens * 10**6


# --- the lifetime of a visit


def visit_of(ledger: Ledger) -> tuple[Visits, Visit]:
    visits = Visits(ledger, AccessLog(), (ledger,), FakeClock())
    return visits, Visit(visits, "POST /x", "call", 0.0, 0.0)


class Nothing:
    """Calls of no kind."""

    usage = ()


def test_a_visit_is_closed_once_and_a_meter_that_fails_hinders_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken:
        def note(self, report: CallReport, outcome: Outcome) -> None:
            raise ValueError(f"note {report.call_id} {outcome}")

        def closed(self, visit: Visit) -> None:
            raise ValueError(f"closed {visit.line}")

    caplog.set_level("INFO", "puna.gateway")
    ledger = Ledger()
    visits = Visits(None, AccessLog(), (Broken(), ledger), FakeClock())
    visit = Visit(visits, "POST /x", "call", 1000.0, 0.0)
    visit.note(CallReport("call", model="m", provider="p", upstream_model="u"), "success")
    visit.close(200)
    visit.close(500)
    assert (visit.status, ledger.closed_visits, len(ledger.noted)) == (200, [visit], 1)
    assert [one for one in caplog.messages if one.startswith("POST")] == [
        "POST /x 200 0.0 ms m -> p/u"
    ]
    assert "could not be counted" in caplog.text
    visit.note(CallReport("late"), "success")
    assert "The call `late` ended after its request was closed" in caplog.text


@pytest.mark.anyio
async def test_a_hold_that_comes_too_late_is_settled_all_the_same() -> None:
    class Waiting(Ledger):
        async def _ask(self, store: asyncio.Event, visit: Visit) -> Held:
            await asyncio.sleep(0)
            assert not store.is_set()
            assert visit.status == 499
            self.held += 5
            return Held(self, 5)

    ledger = Waiting(store=asyncio.Event())
    visits, visit = visit_of(ledger)
    coming = visit.admit(Nothing())
    assert coming is not None
    visit.close(499)
    assert ledger.settled == []
    await visits.close(1)
    assert (ledger.settled, ledger.held) == ([visit], 0)


# --- a store that is asked, at both doors


def frames(**fields: Any) -> bytes:
    return request_bytes({**CHAT, **fields}, {"authorization": f"Bearer {KEY}"})


def whole(_: HTTPRequest) -> Recorded:
    body = json.dumps(completion_body(model="m")).encode()
    return Recorded(200, {"content-type": "application/json"}, [body])


@pytest.mark.parametrize("is_fast", [True, False])
def test_a_request_waits_for_a_store_and_then_goes_on(*, is_fast: bool) -> None:
    async def run() -> None:
        ledger = Ledger(store=asyncio.Event())
        edge = Edge(whole, TWO_MODELS, is_fast=is_fast, ledger=ledger)
        protocol, wire = edge.connect()
        protocol.data_received(frames(max_tokens=5))
        await turns(20)
        assert wire.written == b""
        assert edge.hot.requests == edge.full.requests == []
        assert ledger.store is not None
        ledger.store.set()
        answer = None
        while answer is None:
            await asyncio.sleep(0)
            answer = read_answer(wire.written)
        assert answer.status == 200
        assert answer.headers["x-puna-lane"] == ("fast" if is_fast else "full")
        (visit,) = ledger.settled
        assert (ledger.held, visit.status, len(visit.reports)) == (0, 200, 1)
        protocol.connection_lost(None)

    asyncio.run(run())


@pytest.mark.parametrize("is_fast", [True, False])
@pytest.mark.parametrize("how", ["refused", "left", "stopped", "broken"])
def test_a_request_that_waits_for_a_store_may_end_in_every_way(how: str, *, is_fast: bool) -> None:
    class Broken(Ledger):
        def _reserve(self, visit: Visit) -> Any:
            raise ZeroDivisionError(f"the store's own fault: {visit.line}")

    async def run() -> None:
        ledger = (Broken if how == "broken" else Ledger)(
            refuses=how == "refused", store=asyncio.Event()
        )
        edge = Edge(whole, TWO_MODELS, is_fast=is_fast, ledger=ledger)
        protocol, wire = edge.connect()
        protocol.data_received(frames(max_tokens=5))
        await turns(20)
        if how == "left":
            protocol.connection_lost(None)
        elif how == "stopped":
            if edge.app.fast_lane is not None:
                edge.app.fast_lane.close()
            for task in edge.state.tasks:
                task.cancel()
        await turns(20)
        assert ledger.store is not None
        ledger.store.set()
        await turns(20)
        (visit,) = ledger.closed_visits
        status = {"refused": 429, "left": 499, "stopped": 503, "broken": 500}[how]
        assert visit.status == status
        assert edge.hot.requests == edge.full.requests == []
        assert visit.reports == ()
        assert len(ledger.settled) == (how in ("left", "stopped"))
        assert ledger.held == 0
        if how != "left":
            answer = read_answer(wire.written)
            assert answer is not None
            assert answer.status == status
            protocol.connection_lost(None)

    asyncio.run(run())


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


# --- what a client that leaves has used


@pytest.mark.parametrize("is_fast", [True, False])
def test_who_leaves_a_whole_answer_has_used_its_prompt(*, is_fast: bool) -> None:
    async def run() -> None:
        ledger = Ledger()

        def silent(_: HTTPRequest) -> Recorded:
            json_type = {"content-type": "application/json"}
            return Recorded(200, json_type, [b"{", b" "], pauses_s=(3600.0, 0.0, 0.0))

        edge = Edge(silent, TWO_MODELS, is_fast=is_fast, ledger=ledger)
        edge.hot.is_silent = True
        protocol, _ = edge.connect()
        protocol.data_received(frames(max_tokens=5))
        await turns(20)
        protocol.connection_lost(None)
        await turns(20)
        (visit,) = ledger.settled
        ((report, outcome),) = visit.reports
        assert (visit.status, outcome, report.usage_certainty) == (499, "cancelled", "at_least")
        assert report.prompt_tokens > 5
        assert report.completion_tokens == 0
        assert report.is_usage_estimated
        assert report.cost_picos == report.prompt_tokens * 10**6

    asyncio.run(run())


# --- hooks never hold up an answer


@pytest.mark.parametrize("body", [CHAT, {**CHAT, "stream": True}, {**CHAT, "tools": []}])
@pytest.mark.parametrize("is_fast", [True, False])
def test_a_hook_that_never_ends_delays_no_answer(body: dict[str, Any], *, is_fast: bool) -> None:
    async def hook(_: CallEvent) -> None:
        await asyncio.Event().wait()

    async def run() -> None:
        edge = Edge(play, TWO_MODELS, is_fast=is_fast, hooks=(hook,))
        answer = await edge.ask(request_bytes(body, {"authorization": f"Bearer {KEY}"}))
        assert answer.status == 200
        await edge.app.hook_tasks.close(0.01)
        await turns(3)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not [one for one in others if "hook" in repr(one) or "_await_each" in repr(one)]

    asyncio.run(run())


def test_an_error_of_an_admission_that_is_no_refusal_is_told_as_one_of_the_gateway() -> None:
    class Broken(Ledger):
        def admit(self, visit: Visit) -> Any:
            raise ZeroDivisionError(f"a secret of {visit.line}")

    async def run(*, is_fast: bool) -> None:
        edge = Edge(play, TWO_MODELS, is_fast=is_fast, ledger=Broken())
        answer = await edge.ask(frames())
        assert (answer.status, answer.error["code"]) == (500, "internal_error")
        assert "secret" not in answer.text

    for is_fast in (True, False):
        asyncio.run(run(is_fast=is_fast))
