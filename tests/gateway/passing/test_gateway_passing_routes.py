"""Which deployments and hosts the fast lane can ask."""

from __future__ import annotations

import pytest
from tests.support.asgi import directory_of
from tests.support.clock import FakeClock
from tests.support.lane_requests import HI, ask_edge, plain_reply
from tests.support.lanes import PlayedTransport

from puna.engine.asynchronous import AsyncEngine
from puna.gateway.endpoints.chat import Pipeline
from puna.gateway.passing.routes import FastRoutes, make_route
from puna.providers.table import PROVIDERS
from puna.routing.health import Health
from puna.routing.steering import Steering
from puna.transports.replay import AsyncReplayTransport, Recorded
from puna.types.requests import ChatRequest
from puna.wire.http import HTTPRequest


@pytest.mark.parametrize(
    "settings",
    [
        "response_format: {type: json_object}",
        "mock_response: Hello",
        "additional_drop_params: [user]",
    ],
)
def test_a_deployment_that_adds_or_takes_away_goes_the_long_way(settings: str) -> None:
    config = f"""
model_list:
  - model_name: public
    litellm_params: {{model: openai/up, api_base: "http://up/v1", {settings}}}
"""
    assert ask_edge(HI, config=config).headers["x-puna-lane"] == "full"


def test_what_a_host_does_not_take_goes_the_long_way() -> None:
    config = """
model_list:
  - model_name: public
    litellm_params: {model: embedded/smollm2-135m}
"""
    directory = directory_of(config)
    transport = PlayedTransport(lambda _: plain_reply())
    assert make_route(directory, "public", transport) is None
    assert make_route(directory, "nobody", transport) is None


@pytest.mark.parametrize(
    ("model", "wish", "lane"),
    [
        ("groq/m", {"max_tokens": 5}, "fast"),
        ("groq/m", {"n": 1}, "full"),
        ("lm_studio/m", {"max_tokens": 5}, "fast"),
        ("lm_studio/m", {"max_completion_tokens": 5}, "full"),
        ("azure/m", {"n": 1}, "fast"),
        ("together_ai/m", {}, "full"),
    ],
)
def test_what_a_row_has_a_rule_about_goes_the_long_way(
    model: str, wish: dict[str, int], lane: str
) -> None:
    config = f"""
model_list:
  - model_name: public
    litellm_params: {{model: {model}, api_base: "http://up", api_key: sk-host}}
"""
    asked: list[HTTPRequest] = []

    def play(request: HTTPRequest) -> Recorded:
        asked.append(request)
        return plain_reply()

    answer = ask_edge({**HI, **wish}, config=config, play=play)
    assert (answer.status, answer.headers["x-puna-lane"]) == (200, lane)
    row = PROVIDERS[model.partition("/")[0]]
    (sent,) = asked
    assert row.quirks.path_prefix.replace("{model}", "m") in sent.url
    name = row.quirks.key_header or "authorization"
    assert sent.headers[name].endswith("sk-host")


def test_whole_and_streamed_calls_share_one_route_made_of_the_directorys_own_deployments() -> None:
    directory = directory_of(
        """
model_list:
  - model_name: public
    litellm_params: {model: openai/up, api_base: "http://up/v1", timeout: 60, stream_timeout: 9}
"""
    )
    routes = FastRoutes(directory, PlayedTransport(lambda _: plain_reply()))
    route = routes.find("public")
    assert route is not None
    assert routes.find("public") is route
    assert route.plan is directory.plan("public")
    (ready,) = route.ready.values()
    assert ready.deployment is directory.plan("public").group[0]
    whole, streamed = ready.whole.request, ready.streamed.request
    assert (whole.is_stream, whole.timeouts.total_s) == (False, 60.0)
    assert streamed.is_stream
    assert (streamed.timeouts.total_s, streamed.timeouts.idle_s) == (9.0, 9.0)


def test_the_full_lane_tries_the_directorys_own_deployments_whatever_a_request_asks_for() -> None:
    directory = directory_of(
        """
model_list:
  - model_name: public
    litellm_params: {model: openai/up, api_base: "http://up/v1"}
"""
    )
    engine = AsyncEngine(
        AsyncReplayTransport(lambda _: plain_reply()), clock=FakeClock(), health=Health()
    )
    wishes = {"max_retries": 7, "timeout": 5, "stream_timeout": 2}
    plan = Pipeline(directory, engine).plan_of(
        ChatRequest("public", ({"role": "user", "content": "Hi"},), is_stream=True), wishes
    )
    assert plan.group is directory.plan("public").group
    assert plan.steering == Steering(
        is_stream=True, max_retries=7, timeout_s=5.0, stream_timeout_s=2.0
    )
