"""No secret of LiteLLM's config.yaml is shown by what is read, reported or refused."""

from __future__ import annotations

import pytest
from tests.support.litellm_configs import CANARY, ONE, fail, parse, with_params

# Secrets


@pytest.mark.parametrize(
    "lines",
    [
        "api_key: sk-canary-7f3a91",
        "api_key: os.environ/CANARY",
        "extra_headers: {Authorization: 'Bearer sk-canary-7f3a91'}",
        "api_base: http://user:sk-canary-7f3a91@host/v1",
        "extra_body: {key: sk-canary-7f3a91}",
        "vertex_credentials: sk-canary-7f3a91",
        "aws_secret_access_key: sk-canary-7f3a91",
        "aws_session_token: os.environ/CANARY",
        "aws_region_name: os.environ/CANARY",
        "api_kye: os.environ/CANARY",
        "mock_response: os.environ/CANARY",
    ],
)
def test_no_secret_shows_in_a_config_or_a_notice(lines: str) -> None:
    text = with_params(lines) + "general_settings: {master_key: sk-canary-7f3a91}\n"
    config = parse(text, CANARY=CANARY)
    assert CANARY not in repr(config)
    assert CANARY not in str(config.notices)


@pytest.mark.parametrize(
    "text",
    [
        with_params("timeout: os.environ/CANARY"),
        with_params("rpm: os.environ/CANARY"),
        with_params("drop_params: os.environ/CANARY"),
        with_params("input_cost_per_token: os.environ/CANARY"),
        with_params("api_key: [sk-canary-7f3a91]"),
        with_params("api_key: {a: sk-canary-7f3a91}"),
        with_params("extra_headers: sk-canary-7f3a91"),
        with_params("litellm_params: {"),
        f"{ONE}router_settings: {{routing_strategy: os.environ/CANARY}}\n",
        f"{ONE}router_settings: {{fallbacks: os.environ/CANARY}}\n",
        f"{ONE}general_settings: sk-canary-7f3a91\n",
        f"{ONE}general_settings:\n  master_key: [sk-canary-7f3a91]\n",
        f"{ONE}environment_variables: sk-canary-7f3a91\n",
        f"{ONE}environment_variables: {{A: {{B: sk-canary-7f3a91}}}}\n",
        "model_list: os.environ/CANARY\n",
        "model_list: [sk-canary-7f3a91]\n",
        "model_list:\n  - model_name: [sk-canary-7f3a91]\n    litellm_params: {model: a/b}\n",
    ],
)
def test_no_secret_shows_in_an_error(text: str) -> None:
    error = fail(text, CANARY=CANARY)
    assert CANARY not in str(error)
    assert CANARY not in repr(vars(error))
