"""Which values of a model list its deployments report themselves."""

from __future__ import annotations

import pytest

from puna.config.litellm_models import is_reported
from puna.config.litellm_yaml import parse_litellm_yaml
from puna.errors import ConfigError


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
