"""Router settings of LiteLLM's config.yaml, and which of several sources counts."""

from __future__ import annotations

import pytest
from tests.support.litellm_configs import ONE, parse, with_params

from puna.config.matching import expand_names


@pytest.mark.case(165)
def test_router_settings_arrive_and_win_over_litellm_settings() -> None:
    config = parse(
        f"{ONE}  - model_name: n\n    litellm_params: {{model: a/n}}\n"
        "litellm_settings:\n  fallbacks: [{n: [m]}]\n"
        "router_settings:\n  routing_strategy: least-busy\n  num_retries: 1\n  timeout: 20\n"
        "  stream_timeout: 40\n  allowed_fails: 0\n  cooldown_time: 0\n  retry_after: 2\n"
        "  fallbacks:\n    - m: [n]\n    - m: [x]\n    - '*': [n]\n    -\n"
        "  content_policy_fallbacks: [{m: [n]}]\n"
        "  model_group_alias: {gpt-4: m, quiet: {model: n, hidden: true}}\n"
        "  disable_cooldowns: true\n"
    )
    router = config.router
    assert (router.num_retries, router.timeout_s, router.stream_timeout_s) == (1, 20, 40)
    assert (router.allowed_fails, router.cooldown_s, router.retry_after_s) == (0, 0, 2)
    assert router.fallbacks == {"m": ("n",)}
    assert router.content_policy_fallbacks == {"m": ("n",)}
    assert router.default_fallbacks == ("n",)
    assert router.model_group_alias == {"gpt-4": "m", "quiet": "n"}
    assert router.hidden_aliases == ("quiet",)
    assert router.disable_cooldowns
    assert expand_names(config, []) == ("m", "n", "gpt-4")
    about_strategy, notice = config.notices
    assert "`least-busy` is not built in Puna yet" in about_strategy.message
    assert "lists `m` again: the first list counts (line 19)" in notice.message


def test_other_spellings_of_router_retries_count() -> None:
    config = parse(f"{ONE}router_settings: {{max_retries: 7}}\n")
    assert config.router.num_retries == 7


DEPLOYMENT = "max_retries: 0\ntimeout: 1\nstream_timeout: 2"
ROUTER_LINE = "router_settings: {num_retries: 1, timeout: 3, stream_timeout: 4}\n"
LITELLM_LINE = "litellm_settings: {num_retries: 9, request_timeout: 5}\n"


@pytest.mark.case(164, 165)
@pytest.mark.parametrize(
    ("text", "retries", "timeout_s", "stream_timeout_s"),
    [
        (with_params(DEPLOYMENT) + ROUTER_LINE + LITELLM_LINE, 0, 1, 2),
        (with_params("timeout: 1") + ROUTER_LINE + LITELLM_LINE, 1, 1, 1),
        (ONE + ROUTER_LINE + LITELLM_LINE, 1, 3, 4),
        (ONE + LITELLM_LINE, 9, 5, 5),
        (ONE, 2, 600, 600),
    ],
)
def test_the_retry_count_and_the_timeout_come_from_one_source(
    text: str, retries: int, timeout_s: float, stream_timeout_s: float
) -> None:
    config = parse(text)
    one = config.deployments[0]
    assert config.max_retries_of(one) == retries
    assert config.timeout_s_of(one) == timeout_s
    assert config.timeout_s_of(one, is_stream=True) == stream_timeout_s
