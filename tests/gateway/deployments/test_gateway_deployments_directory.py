"""What a configuration says of its deployments: defaults, wildcards, keys, facts of models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.asgi import CHAT, CONFIG, MODEL, UPSTREAM_KEY, House, directory_of
from tests.support.configured import SEED, TWO, A, M, asked
from tests.support.upstream import Upstream

from puna.errors import ConfigError, NotFoundError


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


def test_the_plan_of_a_name_is_made_once_by_a_wildcard_too_and_so_many_are_kept() -> None:
    wild = """
model_list:
  - model_name: "any/*"
    litellm_params: {model: "openai/*", api_key: k, api_base: "http://127.0.0.1:9/v1"}
general_settings: {master_key: sk-1}
"""
    directory = directory_of(wild)
    first = directory.plan("any/a")
    assert first.group[0].target.model == "a"
    assert directory.plan("any/a") is first
    assert directory.plan("any/b").group[0].target.model == "b"
    for number in range(4096):
        directory.plan(f"any/{number}")
    assert directory.plan("any/a") is not first
    assert directory.plan("any/a") == first
    with pytest.raises(NotFoundError):
        directory.plan("other/a")
    # A directory is still a value: what it remembers is no part of it.
    assert directory_of(wild) == directory_of(wild)


def test_a_name_that_open_mode_lends_is_told_each_time(caplog: pytest.LogCaptureFixture) -> None:
    directory = directory_of(CONFIG.replace("UPSTREAM", "http://127.0.0.1:9/v1"))
    for _ in range(2):
        directory.plan("meta_llama/another")
    assert caplog.text.count("`meta_llama/another` is not configured") == 2
    assert directory.plan(MODEL) is directory.plan(MODEL)
