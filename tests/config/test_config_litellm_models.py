"""Which values of a model list its deployments report themselves."""

from __future__ import annotations

import pytest
from tests.support.litellm_configs import CANARY, parse, with_params

from puna.config.litellm_models import is_reported
from puna.config.litellm_yaml import parse_litellm_yaml
from puna.config.schema import DeploymentConfig
from puna.errors import ConfigError
from puna.types.secret import Secret


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("model_list", 0, "model_name"), True),
        (("model_list", 0, "litellm_params", "model"), True),
        (("model_list", 0, "litellm_params", "api_key"), True),
        (("model_list", 0, "litellm_params", "api_base"), True),
        (("model_list", 0, "litellm_params", "organization"), False),
        (("model_list", 0, "litellm_params"), False),
        (("model_list", 0, "model_info", "model"), False),
        (("model_list",), False),
        (("general_settings", 0, "model_name"), False),
    ],
)
def test_a_deployment_reports_what_makes_it_unusable(
    path: tuple[str | int, ...], *, expected: bool
) -> None:
    assert is_reported(path) is expected


def test_a_name_in_a_foreign_spelling_is_told_once() -> None:
    deployment = "litellm_params: {model: openai/m, api_base: 'http://up/v1'}"
    text = f"model_list: [{{model_name: '${{NAME}}', {deployment}}}]"
    with pytest.raises(ConfigError, match="in a spelling that is not replaced") as raised:
        parse_litellm_yaml(text, {}, "config.yaml")
    assert str(raised.value).count("NAME") == 2  # as it is read, and as it is to be written


def only(text: str, **environ: str) -> DeploymentConfig:
    (deployment,) = parse(text, **environ).deployments
    return deployment


# model_list


@pytest.mark.case(166)
def test_every_honoured_key_of_a_deployment_arrives() -> None:
    found = only(
        with_params(
            "custom_llm_provider: openai\napi_key: sk-x\napi_base: http://h/v1\n"
            "api_version: 2024-02-01\ntimeout: 30\nstream_timeout: '60.5'\nmax_retries: 4\n"
            "drop_params: 'true'\nallowed_openai_params: [thinking]\n"
            "additional_drop_params: top_k\nextra_headers: {X-A: 1, X-B: b, X-N: null}\n"
            "headers: {X-A: 0, X-C: c}\nweight: 3\norder: 1\nrpm: 10\ntpm: 1_000\n"
            "tags: [a]\nmock_response: hi\ninput_cost_per_token: 0.00000060\n"
            "temperature: 0\nmax_tokens: 100\nfrobnicate: [1]\nseed:\n"
        )
        + "    model_info:\n      id: 7\n      mode: chat\n      output_cost_per_token: 1e-7\n"
        "    tpm: 5\n"
    )
    assert found == DeploymentConfig(
        public_name="m",
        model="meta_llama/A",
        custom_llm_provider="openai",
        api_key=Secret("sk-x"),
        api_base="http://h/v1",
        api_version="2024-02-01",
        timeout_s=30,
        stream_timeout_s=60.5,
        max_retries=4,
        drop_params=True,
        allowed_params=("thinking",),
        unwanted_params=("top_k",),
        headers={"X-A": "1", "X-B": "b", "X-C": "c"},
        params={"temperature": 0, "max_tokens": 100, "frobnicate": [1]},
        weight=3,
        order=1,
        mock_response="hi",
        deployment_id="7",
        model_info={"id": 7, "mode": "chat", "output_cost_per_token": "1e-7"},
        input_price="0.00000060",
        output_price="1e-7",
        line=2,
    )


def test_limits_and_tags_are_reported_and_have_no_effect_yet() -> None:
    config = parse(with_params("rpm: 10\ntags: [a]") + "    tpm: 5\n")
    assert [(one.line, one.key) for one in config.notices] == [
        (7, "model_list[0].tpm"),
        (5, "model_list[0].litellm_params.rpm"),
        (6, "model_list[0].litellm_params.tags"),
    ]
    assert all("not supported by Puna yet: ignored" in one.message for one in config.notices)
    assert config.deployments[0].params == {}


def test_other_spellings_of_a_deployments_keys_count() -> None:
    found = only(with_params("base_url: http://h\nnum_retries: 0"))
    assert (found.api_base, found.max_retries) == ("http://h", 0)
    assert found.deployment_id is None


def test_what_a_host_wants_to_be_told_arrives_and_is_no_parameter() -> None:
    found = only(
        with_params(
            "aws_access_key_id: AKIA\naws_secret_access_key: os.environ/CANARY\n"
            "aws_session_token:\naws_region_name: ' us-east-1 '\nvertex_credentials: x\n"
            "aws_bedrock_runtime_endpoint: http://h"
        ),
        CANARY=CANARY,
    )
    assert found.host_settings == {
        "aws_access_key_id": Secret("AKIA"),
        "aws_secret_access_key": Secret(CANARY),
        "aws_region_name": Secret("us-east-1"),
        "vertex_credentials": Secret("x"),
    }
    assert (found.params, found.api_base) == ({}, "http://h")


@pytest.mark.parametrize("name", ["aws_secret_access_key", "aws_region_name", "vertex_project"])
def test_a_setting_whose_variable_is_not_set_makes_its_deployment_unusable(name: str) -> None:
    other = "  - {model_name: o, litellm_params: {model: openai/o, api_base: http://h}}\n"
    config = parse(with_params(f"{name}: os.environ/GONE") + other)
    assert "`GONE`, which is not set" in (config.deployments[0].problem or "")
    assert config.deployments[1].problem is None
    assert config.notices[0].line == 5


def test_a_token_of_a_session_that_is_not_set_counts_as_not_given() -> None:
    config = parse(with_params("aws_session_token: os.environ/GONE"))
    assert config.deployments[0].problem is None
    assert "counts as not given" in config.notices[0].message
