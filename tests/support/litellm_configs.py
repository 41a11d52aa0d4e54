"""LiteLLM's config.yaml as text, read or refused."""

from __future__ import annotations

import pytest

from puna.config.litellm_yaml import parse_litellm_yaml
from puna.config.schema import GatewayConfig
from puna.errors import ConfigError

CANARY = "sk-canary-7f3a91"
ONE = "model_list:\n  - model_name: m\n    litellm_params:\n      model: meta_llama/A\n"


def parse(text: str, **environ: str) -> GatewayConfig:
    return parse_litellm_yaml(text, environ, "config.yaml")


def with_params(lines: str) -> str:
    return ONE + "".join(f"      {line}\n" for line in lines.splitlines())


def fail(text: str, **environ: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text, **environ)
    assert "\n" not in str(caught.value)
    return caught.value
