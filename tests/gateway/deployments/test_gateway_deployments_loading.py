"""Deployments that cannot be used: each says why, all at once, before anything is served."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.served_files import listed, load

from puna.errors import ConfigError, ServiceUnavailableError

GOOD = "model: groq/x, api_key: k"


@pytest.mark.parametrize("base", ["", ", api_base: 'http://127.0.0.1:9/v1'"])
def test_a_key_whose_variable_is_not_set_is_an_error_at_any_address(
    config_file: Path, base: str
) -> None:
    directory = load(config_file, listed(GOOD, f"model: openai/x, api_key: os.environ/GONE{base}"))
    (error,) = (notice for notice in directory.notices if notice.severity == "error")
    assert "model `m1` cannot be used: its api_key names the environment variable" in error.message
    assert "`GONE`" in error.message
    assert len(directory.ready) == 1
    with pytest.raises(ServiceUnavailableError):
        directory.plan("m1")


def test_an_address_from_the_environment_is_asked_without_the_key_and_it_is_told(
    config_file: Path,
) -> None:
    text = listed("model: meta_llama/x, api_key: os.environ/GONE")
    directory = load(config_file, text, LLAMA_API_BASE="http://127.0.0.1:9/v1")
    assert len(directory.ready) == 1
    assert any("is asked without a key" in notice.message for notice in directory.notices)


def test_all_faults_of_all_deployments_are_told_at_once(config_file: Path) -> None:
    text = listed(GOOD, "model: grok/x", "model: openai/x, api_base: 'ftp://x'") + "modles: 1\n"
    with pytest.raises(ConfigError) as caught:
        load(config_file, text)
    first, second = caught.value.problems
    assert first.startswith(f"{config_file}:4: model `m1`: Unknown provider `grok`")
    assert second.startswith(f"{config_file}:6: model `m2`: `api_base` must be an address")
    assert any("`modles`" in line for line in caught.value.warnings)


def test_faults_of_values_and_of_providers_are_told_together(config_file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(config_file, listed("model: groq/x, api_key: k, timeout: soon", "model: grok/x"))
    first, second = caught.value.problems
    assert "not the text `soon`" in first
    assert "Unknown provider `grok`" in second


def test_where_no_deployment_can_be_used_each_says_why(config_file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(config_file, listed("model: groq/x", "model: groq/y, api_key: os.environ/GONE"))
    assert ["GROQ_API_KEY" in line for line in caught.value.problems] == [True, False]
    assert "`GONE`" in caught.value.problems[1]


@pytest.mark.parametrize(
    "params",
    [
        "model: groq/x, api_key: os.environ/GONE",
        "model: groq/x",
        "model: openai/x, api_base: os.environ/GONE",
        "model: os.environ/GONE",
        "model: bedrock/x, aws_region_name: os.environ/GONE",
        "model: vertex_ai/x, api_key: k",
        "model: azure/x, api_key: k",
    ],
)
def test_with_unset_variables_allowed_a_deployment_waits_for_them(
    config_file: Path, params: str
) -> None:
    directory = load(config_file, listed(params), allow_unset=True)
    assert (len(directory.waiting), directory.ready, directory.problems) == (1, {}, {})
    assert [one.severity for one in directory.notices if one.severity != "info"] == []


def test_with_unset_variables_allowed_everything_else_is_checked(config_file: Path) -> None:
    text = listed("model: grok/x, api_key: os.environ/GONE", "model: groq/x, api_key: '${KEY}'")
    with pytest.raises(ConfigError, match="Unknown provider `grok`"):
        load(config_file, text, allow_unset=True)
    text = listed("model: groq/x, api_key: '${KEY}'", "model: groq/x, api_key: os.environ/GONE")
    text += "general_settings: {master_key: os.environ/GONE}\n"
    directory = load(config_file, text, allow_unset=True)
    assert (len(directory.problems), len(directory.waiting)) == (1, 1)
