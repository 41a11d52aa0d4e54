"""The model table behind `litellm.model_cost`: Puna's catalogue in LiteLLM's shape.

It is one dict that callers may read and change; every helper looks models up in it.
"""

from __future__ import annotations

from typing import Any

import litellm
from litellm.exceptions import ModelNotMappedError
from puna.api.models import get_model_info
from puna.catalog.facts import known_providers, list_models
from puna.errors import BadRequestError
from puna.providers.table import PROVIDERS, split_model


def make_model_cost() -> dict[str, dict[str, Any]]:
    """A fresh table: `provider/model` to limits, prices in US dollars per token, and abilities."""
    table: dict[str, dict[str, Any]] = {}
    for provider in known_providers():
        if provider not in PROVIDERS:
            continue  # facts about a host that no row can call yet
        for facts in list_models(provider):
            info = get_model_info(facts.model, provider)
            key = info.pop("key")
            info.pop("supported_openai_params", None)
            table[key] = info
    return table


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
