"""What every entry of the catalogue has to tell, and which hosts it has to hold."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from puna.catalog.facts import ModelFacts, known_providers, list_models
from puna.providers.table import PROVIDERS

WITHOUT_MODELS = {
    **dict.fromkeys(
        ("cohere", "cohere_chat", "deepseek", "gemini", "mistral", "xai"),
        "its makers' own models, of whose facts nobody has read a page yet",
    ),
    "azure": "the model is a deployment, whose name its owner chose",
    "litellm_proxy": "the names are those of the proxy's configuration",
    "llama_api_native": "its own host is closed; other servers of its protocol have other models",
    "openai": "the row for any server that speaks its protocol; OpenAI's own models are not Llama",
}
"""The hosted rows that the catalogue holds no model of, and why."""

FEATURES = frozenset(
    (
        "adaptive_thinking",
        "assistant_prefill",
        "audio_input",
        "audio_output",
        "computer_use",
        "function_calling",
        "parallel_function_calling",
        "pdf_input",
        "prompt_caching",
        "reasoning",
        "response_schema",
        "streamed_function_calling",
        "system_messages",
        "thinking_budget",
        "tool_choice",
        "video_input",
        "vision",
        "web_search",
    )
)
MODALITIES = frozenset(("text", "image", "audio", "video"))
TOOL_CHOICES = frozenset(("auto", "none", "required", "function"))

EVERY_ENTRY = tuple(
    facts
    for provider in known_providers()
    for facts in list_models(provider, include_previews=True)
)

each_entry = pytest.mark.parametrize(
    "facts", EVERY_ENTRY, ids=lambda facts: f"{facts.provider}/{facts.model}"
)


def test_every_hosted_row_has_a_model_in_the_catalogue_or_a_reason_why_not() -> None:
    hosted = {name for name, row in PROVIDERS.items() if not row.is_self_hosted}
    assert hosted - set(known_providers()) == set(WITHOUT_MODELS)
    assert all(WITHOUT_MODELS.values())


def test_every_provider_of_the_catalogue_is_a_row() -> None:
    assert set(known_providers()) <= set(PROVIDERS)


@each_entry
def test_an_entry_tells_its_source_and_a_day_that_is_not_to_come(facts: ModelFacts) -> None:
    assert facts.source.strip()
    assert date.fromisoformat(facts.as_of).isoformat() == facts.as_of
    assert date.fromisoformat(facts.as_of) <= datetime.now(UTC).date()


@each_entry
def test_what_a_model_can_and_cannot_do_is_said_in_known_words_and_not_both(
    facts: ModelFacts,
) -> None:
    assert facts.features <= FEATURES
    assert facts.lacks <= FEATURES
    assert not facts.features & facts.lacks
    assert {*facts.input_modalities, *facts.output_modalities} <= MODALITIES
    assert "vision" not in facts.features or "image" in facts.input_modalities


@each_entry
def test_kinds_of_tool_choice_are_known_and_those_of_a_model_that_calls_tools(
    facts: ModelFacts,
) -> None:
    if facts.tool_choices is None:
        return
    assert facts.tool_choices <= TOOL_CHOICES
    assert "function_calling" not in facts.lacks
    if "tool_choice" in facts.features:
        assert {"required", "function"} & facts.tool_choices


@each_entry
def test_limits_and_prices_are_more_than_nothing_where_they_are_told(facts: ModelFacts) -> None:
    for limit in (facts.max_input_tokens, facts.max_output_tokens):
        assert limit is None or limit > 0
    if facts.price is not None and facts.price.cached_input_picos is not None:
        assert facts.price.cached_input_picos <= facts.price.input_picos
