"""The model table behind `litellm.model_cost`: Puna's catalogue in LiteLLM's shape.

It is one dict that callers may read and change; every helper looks models up in it.
"""

from __future__ import annotations

from typing import Any

import litellm
from litellm.exceptions import ModelNotMappedError
from puna.catalog.facts import ModelFacts, known_providers, list_models
from puna.catalog.prices import Price, dollars
from puna.errors import BadRequestError
from puna.providers.table import PROVIDERS, split_model


def make_model_cost() -> dict[str, dict[str, Any]]:
    """A fresh table: `provider/model` to limits, prices in US dollars per token, and abilities."""
    return {
        f"{provider}/{facts.model}": _entry_of(facts)
        for provider in known_providers()
        if provider in PROVIDERS  # else they are facts about a host that no row can call yet
        for facts in list_models(provider)
    }


def _entry_of(facts: ModelFacts) -> dict[str, Any]:
    """A model's facts under LiteLLM's names. A price that was never published is 0.0, as there."""
    price = facts.price or Price(input_picos=0, output_picos=0)
    return {
        "litellm_provider": facts.provider,
        "mode": facts.mode,
        "max_tokens": facts.max_output_tokens,
        "max_input_tokens": facts.max_input_tokens,
        "max_output_tokens": facts.max_output_tokens,
        "input_cost_per_token": dollars(price.input_picos),
        "output_cost_per_token": dollars(price.output_picos),
        "supported_modalities": list(facts.input_modalities),
        "supported_output_modalities": list(facts.output_modalities),
        "source": facts.source,
        **{f"supports_{feature}": True for feature in sorted(facts.features)},
    }


def find_entry(
    model: str, custom_llm_provider: str | None = None
) -> tuple[str, dict[str, Any]] | None:
    """A model's key and entry in `litellm.model_cost`, or None."""
    table = litellm.model_cost
    names = [model]
    if custom_llm_provider:
        names.insert(0, f"{custom_llm_provider}/{model.removeprefix(custom_llm_provider + '/')}")
    for name in names:
        entry = table.get(name)
        if entry is not None:
            return name, entry
    return None


def get_entry(model: str, custom_llm_provider: str | None = None) -> tuple[str, dict[str, Any]]:
    """A model's key and entry. Raises ModelNotMappedError when the table does not know it."""
    found = find_entry(model, custom_llm_provider)
    if found is None:
        raise ModelNotMappedError(
            f"This model isn't mapped yet. model={model}, "
            f"custom_llm_provider={custom_llm_provider}. Give its facts with "
            "`litellm.register_model`."
        )
    return found


def check_provider(model: str, custom_llm_provider: str | None = None) -> None:
    """Raise Puna's BadRequestError for a model that is in no table and names no provider."""
    if find_entry(model, custom_llm_provider) is None:
        split_model(model, provider=custom_llm_provider)


def provider_of(model: str, custom_llm_provider: str | None = None) -> str | None:
    """Who serves a model, or None where its name does not say."""
    try:
        row, _ = split_model(model, provider=custom_llm_provider)
    except BadRequestError:
        return None
    return row.name
