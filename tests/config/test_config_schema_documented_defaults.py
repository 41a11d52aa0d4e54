"""Each default that the guides name is the one that counts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from puna.config.litellm_keys import GENERAL
from puna.config.litellm_yaml import parse_litellm_yaml
from puna.config.schema import DeploymentConfig, GatewayConfig, RouterConfig, ServerConfig
from puna.routing.health import CooldownPolicy

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
EMPTY = parse_litellm_yaml("model_list: []\n", {})
MB = 1024 * 1024

DEFAULTS: dict[str, Callable[[ServerConfig], object]] = {
    "max_request_size_mb": lambda server: server.max_request_bytes / MB,
    "max_request_values": lambda server: server.max_request_values,
    "head_timeout": lambda server: server.head_timeout_s,
    "body_timeout": lambda server: server.body_timeout_s,
    "linger_timeout": lambda server: server.linger_timeout_s,
    "response_store_size_mb": lambda server: server.response_store_bytes / MB,
}


@pytest.mark.parametrize("server", [ServerConfig(), EMPTY.server], ids=["value", "empty file"])
def test_every_number_that_a_key_of_the_door_names_is_its_default(server: ServerConfig) -> None:
    told = {
        key: float(found[1])
        for key, effect in GENERAL.supported.items()
        if (found := re.search(r"\(default ([0-9]+)\)", effect))
    }
    assert told == {key: read(server) for key, read in DEFAULTS.items()}


@pytest.mark.parametrize("config", [GatewayConfig(), EMPTY], ids=["value", "empty file"])
def test_defaults_of_calls_are_those_of_the_guides(config: GatewayConfig) -> None:
    deployment = DeploymentConfig(public_name="a", model="openai/a")
    assert config.max_retries_of(deployment) == 2
    assert config.timeout_s_of(deployment) == 600
    assert config.timeout_s_of(deployment, is_stream=True) == 600
    assert config.settings.rescue_tool_calls is True
    assert config.settings.drop_params is False
    assert config.settings.repair_tool_arguments is False


@pytest.mark.parametrize("router", [RouterConfig(), EMPTY.router], ids=["value", "empty file"])
def test_a_deployment_rests_as_the_guide_says(router: RouterConfig) -> None:
    guide = (GUIDES / "gateway.md").read_text(encoding="utf-8")
    assert "fails more than three times in a row rests for five seconds" in guide
    policy = CooldownPolicy()
    assert (policy.allowed_fails, policy.cooldown_s, policy.is_enabled) == (3, 5.0, True)
    assert (router.allowed_fails, router.cooldown_s, router.disable_cooldowns) == (3, 5.0, False)
