from __future__ import annotations

import os
import subprocess
import sys
from importlib.resources import files

import pytest

from puna.catalog.facts import (
    ModelFacts,
    find_model,
    known_providers,
    list_models,
    nearest_models,
)
from puna.catalog.prices import FREE, Price

SCOUT = "Llama-4-Scout-17B-16E-Instruct-FP8"
MAVERICK = "Llama-4-Maverick-17B-128E-Instruct-FP8"
LLAMA_70B = "Llama-3.3-70B-Instruct"
LLAMA_8B = "Llama-3.3-8B-Instruct"
DOCUMENTED = (SCOUT, MAVERICK, LLAMA_70B, LLAMA_8B)


def facts_of(provider: str, model: str) -> ModelFacts:
    facts = find_model(provider, model)
    assert facts is not None
    return facts


@pytest.mark.case(31)
@pytest.mark.parametrize(
    ("model", "input_modalities"),
    [
        (SCOUT, ("text", "image")),
        (MAVERICK, ("text", "image")),
        (LLAMA_70B, ("text",)),
        (LLAMA_8B, ("text",)),
    ],
)
def test_limits_and_modalities_are_those_of_the_pages_table(
    model: str, input_modalities: tuple[str, ...]
) -> None:
    facts = facts_of("meta_llama", model)
    assert (facts.max_input_tokens, facts.max_output_tokens) == (128_000, 4028)
    assert facts.input_modalities == input_modalities
    assert facts.output_modalities == ("text",)
    assert facts.mode == "chat"


@pytest.mark.case(30)
def test_only_the_llama_4_models_see_images_and_all_four_call_functions() -> None:
    seeing = {name for name in DOCUMENTED if facts_of("meta_llama", name).supports("vision")}
    assert seeing == {SCOUT, MAVERICK}
    for feature in ("function_calling", "tool_choice", "response_schema", "system_messages"):
        assert all(facts_of("meta_llama", name).supports(feature) for name in DOCUMENTED)


@pytest.mark.case(30)
def test_a_feature_that_no_source_claims_is_not_supported() -> None:
    assert not facts_of("meta_llama", SCOUT).supports("parallel_function_calling")


@pytest.mark.case(30, 33)
@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("meta_llama", "Llama-5"),
        ("meta_llama", LLAMA_8B.lower()),
        ("nobody", LLAMA_8B),
        ("", ""),
        ("../meta", LLAMA_8B),
    ],
)
def test_an_unknown_model_is_none(provider: str, model: str) -> None:
    assert find_model(provider, model) is None


def test_the_list_of_a_provider_is_its_pages_table_in_order() -> None:
    assert tuple(facts.model for facts in list_models("meta_llama")) == DOCUMENTED
    assert list_models("nobody") == ()


def test_previews_are_listed_only_when_asked_for() -> None:
    with_previews = list_models("meta_llama", include_previews=True)
    previews = [facts for facts in with_previews if not facts.is_documented]
    assert {facts.model.split("-")[0] for facts in previews} == {"Cerebras", "Groq"}
    assert len(previews) == 3
    assert all(facts.max_output_tokens is None for facts in previews)


@pytest.mark.case(33)
def test_no_price_and_a_price_of_zero_are_different() -> None:
    assert facts_of("meta_llama", LLAMA_8B).price is None
    assert facts_of("embedded", "smollm2-135m").price == FREE


def test_the_successors_prices_are_exact_picos() -> None:
    assert facts_of("meta", "muse-spark-1.3").price == Price(
        input_picos=1_250_000, output_picos=4_250_000, cached_input_picos=150_000
    )
    assert facts_of("meta", "muse-spark-1.3-contributor").price == Price(
        input_picos=100_000, output_picos=200_000, cached_input_picos=2_000
    )
    assert facts_of("meta", "muse-wonder-1.0").price == Price(
        input_picos=4_000_000, output_picos=20_000_000, cached_input_picos=200_000
    )


@pytest.mark.case(32)
def test_a_host_that_names_no_price_for_cached_tokens_has_none() -> None:
    facts = facts_of("sambanova", "Meta-Llama-3.3-70B-Instruct")
    assert facts.price == Price(input_picos=600_000, output_picos=1_200_000)
    assert facts.max_output_tokens is None


def test_the_embedded_models_window_is_that_of_one_slot() -> None:
    facts = facts_of("embedded", "smollm2-135m")
    assert (facts.max_input_tokens, facts.input_modalities) == (2048, ("text",))


def test_disagreeing_sources_are_named_in_the_notes() -> None:
    assert "10,000,000" in facts_of("meta_llama", SCOUT).notes
    assert "1,000,000" in facts_of("meta_llama", MAVERICK).notes


def test_each_data_file_is_named_after_its_provider() -> None:
    names = {entry.name for entry in files("puna.catalog").joinpath("models").iterdir()}
    assert {name.removesuffix(".json") for name in names} == set(known_providers())


def test_a_misspelt_model_gets_the_nearest_names() -> None:
    assert nearest_models("meta_llama", "llama-3.3-8b-instruct")[0] == LLAMA_8B
    assert nearest_models("meta_llama", "Llama-4-Scout-17B-16E-Instruct")[0] == SCOUT
    assert len(nearest_models("meta_llama", "llama-3.3-8b-instruct", limit=1)) == 1


@pytest.mark.parametrize("model", ["gpt-4o", "", "Llama" * 100_000])
def test_a_name_like_no_other_gets_no_suggestion(model: str) -> None:
    assert nearest_models("meta_llama", model) == ()


def test_an_unknown_provider_has_no_suggestions() -> None:
    assert nearest_models("nobody", LLAMA_8B) == ()


def test_importing_the_catalogue_reads_no_data_and_no_heavy_module() -> None:
    program = (
        "import sys\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, args: event == 'open' and opened.append(str(args[0])))\n"
        "import puna.catalog.facts, puna.catalog.prices, puna.catalog.tokens\n"
        "assert not [name for name in opened if name.endswith(('.json', '.model'))]\n"
        "heavy = {'pydantic', 'httpx2', 'tiktoken', 'socket', 'asyncio', 'importlib.resources'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    # Measuring coverage would load modules of its own.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    subprocess.run([sys.executable, "-c", program], check=True, env=plain)
