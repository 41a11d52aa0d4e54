"""Which deployments and hosts the fast lane can ask."""

from __future__ import annotations

import pytest
from tests.support.asgi import directory_of
from tests.support.lane_requests import HI, ask_edge, plain_reply
from tests.support.lanes import PlayedTransport

from puna.gateway.passing.routes import make_route
from puna.providers.table import PROVIDERS
from puna.transports.replay import Recorded
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
    assert (
        make_route(directory, "public", PlayedTransport(lambda _: plain_reply()), is_stream=False)
        is None
    )
    assert (
        make_route(directory, "nobody", PlayedTransport(lambda _: plain_reply()), is_stream=False)
        is None
    )


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
