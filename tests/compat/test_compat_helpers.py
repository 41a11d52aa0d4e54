"""LiteLLM's helpers: models, prices, tokens, keys."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import litellm
from litellm.litellm_core_utils.get_llm_provider_logic import get_llm_provider
from litellm.litellm_core_utils.get_supported_openai_params import get_supported_openai_params
from litellm.utils import supports_factory
from puna.catalog.facts import known_providers
from puna.providers.table import PROVIDERS

MODEL = "meta_llama/Llama-3.3-8B-Instruct"
NAME = "Llama-3.3-8B-Instruct"
DOCUMENTED = {
    "meta_llama/Llama-4-Scout-17B-16E-Instruct-FP8",
    "meta_llama/Llama-4-Maverick-17B-128E-Instruct-FP8",
    "meta_llama/Llama-3.3-70B-Instruct",
    "meta_llama/Llama-3.3-8B-Instruct",
}


@pytest.mark.case(28)
def test_get_llm_provider_gives_four_things(environ: dict[str, str]) -> None:
    environ["LLAMA_API_KEY"] = "sk-x"
    home = "https://api.llama.com/compat/v1"

    assert get_llm_provider(MODEL) == (NAME, "meta_llama", "sk-x", home)
    assert litellm.get_llm_provider(NAME, custom_llm_provider="meta_llama")[1] == "meta_llama"
    named = litellm.get_llm_provider(model=MODEL, api_base="http://mine", api_key="mine")
    assert named[2:] == ("mine", "http://mine")
    params = SimpleNamespace(custom_llm_provider=None, api_base="http://p", api_key="k")
    assert litellm.get_llm_provider(MODEL, litellm_params=params)[2:] == ("k", "http://p")
    assert litellm.get_llm_provider(MODEL, litellm_params={"api_base": "http://d"})[3] == "http://d"
    with pytest.raises(litellm.BadRequestError) as caught:
        litellm.get_llm_provider("nope")
    assert caught.value.model == "nope"


@pytest.mark.case(29)
def test_validate_environment_names_the_missing_key(environ: dict[str, str]) -> None:
    assert litellm.validate_environment(MODEL) == {
        "keys_in_environment": False,
        "missing_keys": ["LLAMA_API_KEY"],
    }
    present = {"keys_in_environment": True, "missing_keys": []}
    assert litellm.validate_environment(MODEL, api_key="x") == present
    assert litellm.validate_environment() == present
    assert litellm.validate_environment("nope/x") == present
    usable = litellm.get_valid_models()
    assert "embedded/smollm2-135m" in usable
    assert not [name for name in usable if "llama" not in name and "embedded" not in name]
    assert not [name for name in usable if name.startswith(("groq/", "meta_llama/", "openai/"))]
    assert litellm.get_valid_models(custom_llm_provider="meta_llama") == []
    environ["LLAMA_API_KEY"] = "x"
    assert litellm.validate_environment(MODEL) == present
    assert set(litellm.get_valid_models(custom_llm_provider="meta_llama")) == DOCUMENTED


@pytest.mark.case(30)
def test_abilities_are_true(environ: dict[str, str]) -> None:
    del environ
    for model in DOCUMENTED:
        assert litellm.supports_function_calling(model)
        assert litellm.supports_vision(model) is ("Llama-4" in model)
        assert litellm.supports_response_schema(model=model, custom_llm_provider=None)
        assert litellm.supports_tool_choice(model)
        assert litellm.supports_system_messages(model)
        assert not litellm.supports_reasoning(model)
        assert not litellm.supports_prompt_caching(model)
        assert not litellm.supports_audio_input(model)
        assert not litellm.supports_audio_output(model)
        assert not litellm.supports_pdf_input(model)
        assert not litellm.supports_web_search(model)
        assert litellm.supports_parallel_function_calling(model) in (True, False)
    assert litellm.supports_function_calling(NAME, "meta_llama")
    assert not litellm.supports_vision("nope/x")
    assert not litellm.supports_vision("")
    assert not supports_factory(MODEL, None, "supports_flying")


@pytest.mark.case(31)
def test_get_model_info_has_the_pages_numbers() -> None:
    info = litellm.get_model_info(MODEL)

    assert info["key"] == MODEL
    assert (info["max_input_tokens"], info["max_output_tokens"]) == (128_000, 4028)
    assert info["max_tokens"] == litellm.get_max_tokens(MODEL) == 4028
    assert info["litellm_provider"] == "meta_llama"
    assert info["mode"] == "chat"
    assert info["input_cost_per_token"] is None
    assert info["supports_function_calling"] is True
    assert info["supports_vision"] is None
    assert "temperature" in info["supported_openai_params"]
    assert litellm.get_model_info(NAME, "meta_llama") == info
    for ask in (litellm.get_model_info, litellm.get_max_tokens):
        with pytest.raises(litellm.ModelNotMappedError, match="isn't mapped yet"):
            ask("nope/x")


def test_the_tables_are_one() -> None:
    assert set(litellm.models_by_provider["meta_llama"]) == DOCUMENTED
    assert set(litellm.model_list) >= DOCUMENTED
    assert litellm.model_cost[MODEL]["max_output_tokens"] == 4028
    assert "key" not in litellm.model_cost[MODEL]
    assert litellm.provider_list == list(PROVIDERS)
    assert set(litellm.models_by_provider) >= {row for row in known_providers() if row in PROVIDERS}


def test_a_registered_model_has_facts_and_a_price() -> None:
    entry = {"litellm_provider": "openai", "max_tokens": 7, "input_cost_per_token": 1e-6}
    litellm.model_cost = dict(litellm.model_cost)

    table = litellm.register_model({"mine/x": entry, MODEL: {"supports_vision": True}})

    assert table is litellm.model_cost
    assert litellm.get_max_tokens("mine/x") == 7
    assert litellm.cost_per_token("mine/x", 1_000_000, 5) == (1.0, 0.0)
    assert litellm.supports_vision(MODEL)
    assert litellm.get_model_info(MODEL)["max_tokens"] == 4028
    assert litellm.model_list.count("mine/x") == litellm.model_list.count(MODEL) == 1


@pytest.mark.case(32)
def test_tokens_are_counted_offline() -> None:
    messages = [{"role": "user", "content": "hi"}]

    assert litellm.token_counter(model=MODEL, text="hello") == 1
    assert litellm.token_counter(MODEL, text=["hello", "hello"]) == 2
    count = litellm.token_counter(MODEL, messages=messages)
    assert 5 < count < 20
    answered = [*messages, litellm.Message(content="hello")]
    assert litellm.token_counter(MODEL, messages=answered) > count
    assert litellm.token_counter("nope", text="hello there") > 0
    with pytest.raises(ValueError, match="text"):
        litellm.token_counter(MODEL)


def test_texts_are_encoded_and_decoded() -> None:
    ids = litellm.encode(model=MODEL, text="hello")

    assert ids == [15339]
    assert litellm.decode(model=MODEL, tokens=ids) == "hello"
    with pytest.raises(litellm.BadRequestError):
        litellm.encode(model="nope/x", text="hello")


@pytest.mark.case(33)
def test_costs_are_unknown_without_a_price_and_errors_for_the_unknown() -> None:
    answer = litellm.completion(MODEL, [{"role": "user", "content": "hi"}], mock_response="hello")

    assert litellm.completion_cost(answer) is None
    assert litellm.completion_cost(answer.model_dump()) is None
    assert litellm.completion_cost(model=MODEL, prompt="a", completion="b") is None
    assert litellm.completion_cost(model=MODEL, messages=[{"role": "user", "content": "a"}]) is None
    assert litellm.cost_per_token(MODEL, 1, 2) == (None, None)
    with pytest.raises(litellm.ModelNotMappedError):
        litellm.completion_cost(model="meta_llama/x", prompt="a")
    with pytest.raises(litellm.BadRequestError):
        litellm.cost_per_token("nope/x", 1, 2)
    with pytest.raises(litellm.BadRequestError):
        litellm.cost_per_token(MODEL, 1, 2, custom_cost_per_token={"input_cost_per_token": -1})


def test_prices_of_the_callers_own_count_cached_tokens_once() -> None:
    price = {
        "input_cost_per_token": 1e-6,
        "output_cost_per_token": 2e-6,
        "cache_read_input_token_cost": 1e-7,
    }
    usage = litellm.Usage(
        prompt_tokens=1000,
        completion_tokens=500,
        total_tokens=1500,
        prompt_tokens_details={"cached_tokens": 400},  # type: ignore[arg-type]
    )

    costs = litellm.cost_per_token(MODEL, usage_object=usage, custom_cost_per_token=price)

    assert costs == (0.00064, 0.001)
    response = litellm.ModelResponse(model=MODEL, usage=usage)
    total = litellm.completion_cost(response, custom_cost_per_token=price)
    assert total == pytest.approx(0.00164)


def test_supported_parameters_are_those_that_are_sent() -> None:
    params = get_supported_openai_params(MODEL)

    assert params is not None
    assert {"tools", "temperature", "stream"} <= set(params)
    assert "reasoning_effort" not in params
    assert litellm.get_supported_openai_params("nope/x") is None
    assert litellm.get_supported_openai_params(MODEL, request_type="embeddings") is None
