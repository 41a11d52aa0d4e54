"""What is known without asking anybody."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.support.upstream import completion_body

import puna
from puna.errors import BadRequestError, NotFoundError
from puna.types.chat import ChatCompletion
from puna.types.secret import Secret

MODELS = {
    "meta_llama/Llama-4-Scout-17B-16E-Instruct-FP8": True,
    "meta_llama/Llama-4-Maverick-17B-128E-Instruct-FP8": True,
    "meta_llama/Llama-3.3-70B-Instruct": False,
    "meta_llama/Llama-3.3-8B-Instruct": False,
}
VARIABLES = (
    *("LLAMA_API_KEY", "LLAMA_API_BASE", "LITELLM_PROXY_API_BASE", "LITELLM_PROXY_API_KEY"),
    *("AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_BEDROCK_RUNTIME_ENDPOINT"),
    *("AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.case(28)
def test_a_model_name_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    own = "https://api.llama.com/compat/v1"
    assert puna.get_llm_provider("meta_llama/X") == ("X", "meta_llama", None, own)
    monkeypatch.setenv("LLAMA_API_KEY", "k")
    monkeypatch.setenv("LLAMA_API_BASE", "http://host/v1")
    name, provider, key, base = puna.get_llm_provider("meta_llama/X")
    assert (name, provider, base) == ("X", "meta_llama", "http://host/v1")
    assert isinstance(key, Secret)
    assert key.reveal() == "k"
    assert puna.get_llm_provider("X", "meta_llama", "http://b")[3] == "http://b"
    with pytest.raises(BadRequestError, match="meta_llama/"):
        puna.get_llm_provider("nobody/X")


@pytest.mark.case(29)
def test_missing_variables_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = {"keys_in_environment": False, "missing_keys": ["LLAMA_API_KEY"]}
    assert puna.validate_environment("meta_llama/X") == missing
    assert puna.validate_environment("litellm_proxy/X")["missing_keys"] == [
        "LITELLM_PROXY_API_BASE"
    ]
    assert puna.validate_environment("embedded/smollm2-135m")["keys_in_environment"]
    monkeypatch.setenv("LLAMA_API_KEY", "k")
    assert puna.validate_environment("meta_llama/X")["keys_in_environment"]
    monkeypatch.delenv("LLAMA_API_KEY")
    monkeypatch.setenv("LLAMA_API_BASE", "http://host/v1")
    assert puna.validate_environment("meta_llama/X")["keys_in_environment"]


def test_a_host_in_a_region_misses_its_region_and_its_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing = ["AWS_BEARER_TOKEN_BEDROCK", "AWS_REGION_NAME"]
    assert puna.validate_environment("bedrock/X")["missing_keys"] == missing
    assert puna.get_llm_provider("bedrock/converse/X") == ("X", "bedrock", None, None)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    assert puna.validate_environment("bedrock/X")["missing_keys"] == missing[:1]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert puna.validate_environment("bedrock/X")["keys_in_environment"]
    own = "https://bedrock-runtime.us-east-1.amazonaws.com"
    assert puna.get_llm_provider("bedrock/X")[3] == own


@pytest.mark.case(30)
@pytest.mark.parametrize(("model", "reads_images"), MODELS.items())
def test_capabilities_are_those_of_the_documented_table(model: str, *, reads_images: bool) -> None:
    assert puna.supports_vision(model) is reads_images
    assert puna.supports_function_calling(model)
    assert puna.supports_response_schema(model)


@pytest.mark.case(30)
def test_an_unknown_model_has_no_capabilities() -> None:
    for model in ("meta_llama/unheard", "nobody/x", "x"):
        assert not puna.supports_vision(model)
        assert not puna.supports_function_calling(model)


@pytest.mark.case(31)
@pytest.mark.parametrize("model", MODELS)
def test_model_info_has_limits_and_modalities(model: str) -> None:
    info = puna.get_model_info(model)
    assert info["max_input_tokens"] == 128_000
    assert info["max_output_tokens"] == 4028
    assert "text" in info["input_modalities"]
    assert info["output_modalities"] == ["text"]
    assert (info["provider"], f"meta_llama/{info['model']}") == ("meta_llama", model)
    assert info["supports_function_calling"] is True
    assert info["input_cost_per_token"] is None
    assert not any(name.startswith("litellm") for name in info)


@pytest.mark.case(31)
def test_an_unknown_model_names_near_ones() -> None:
    with pytest.raises(NotFoundError, match=r"Llama-3\.3-70B-Instruct"):
        puna.get_model_info("meta_llama/Llama-3.3-70B-Instruc")
    with pytest.raises(NotFoundError):
        puna.get_model_info("nobody/x")


@pytest.mark.case(25)
def test_the_supported_parameters_are_those_that_are_sent() -> None:
    params = puna.get_supported_openai_params("meta_llama/Llama-3.3-8B-Instruct")
    assert params is not None
    assert {"tools", "temperature", "stream"} <= set(params)
    assert "reasoning_effort" not in params
    assert puna.get_supported_openai_params("nobody/x") is None


@pytest.mark.case(32)
def test_tokens_are_counted_offline_fast_and_alike() -> None:
    messages = [{"role": "user", "content": "Hello, how are you?"}]
    model = "meta_llama/Llama-3.3-8B-Instruct"
    first = puna.token_counter(model, messages=messages)
    began_at = time.process_time()
    assert {puna.token_counter(model, messages=messages) for _ in range(20)} == {first}
    assert time.process_time() - began_at < 1
    assert first > 5
    assert puna.token_counter(model, text=["Hello", "you"]) == 2
    assert puna.token_counter("", text="Hello") >= 1
    with pytest.raises(BadRequestError):
        puna.token_counter(model)


@pytest.mark.case(33)
def test_cost_is_the_catalogues_or_the_callers() -> None:
    answer = ChatCompletion.model_validate(
        completion_body(model="meta_llama/Llama-3.3-8B-Instruct")
    )
    assert puna.completion_cost(answer) is None
    free = {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0}
    assert puna.completion_cost(answer, custom_cost_per_token=free) == 0.0
    price = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
    assert puna.completion_cost(answer, custom_cost_per_token=price) == pytest.approx(19e-6)
    cached: dict[str, Any] = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
    cached["prompt_tokens_details"] = {"cached_tokens": 5}
    detailed = ChatCompletion.model_validate(completion_body(usage=cached))
    assert puna.completion_cost(detailed, custom_cost_per_token=price) == pytest.approx(7e-6)
    counted = puna.completion_cost(
        model="x", prompt="a", completion="b", custom_cost_per_token=price
    )
    assert counted is not None
    assert counted > 0
    with pytest.raises(NotFoundError, match="nobody/x"):
        puna.completion_cost(model="nobody/x", prompt="a")
