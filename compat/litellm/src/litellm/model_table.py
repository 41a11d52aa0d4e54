"""The model table behind `litellm.model_cost`: Puna's catalogue in LiteLLM's shape.

It is one dict that callers may read and change; every helper looks models up in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import litellm
from litellm.exceptions import ModelNotMappedError
from puna.catalog.facts import ModelFacts, known_providers, list_models
from puna.catalog.prices import Price, dollars
from puna.errors import BadRequestError
from puna.providers.table import PROVIDERS, split_model


def make_table(name: str) -> Any:
    """One of LiteLLM's tables of models, hosts or keywords, of which `model_cost` is the source."""
    make = _TABLES.get(name)
    if make is not None:
        return make()
    group = name.removesuffix("_models")
    return {
        model
        for model, entry in litellm.model_cost.items()
        if entry.get("litellm_provider") in {group, group.removesuffix("_embedding")}
        and (entry.get("mode") == "embedding") == group.endswith("_embedding")
    }


def _by_provider() -> dict[str, set[str]]:
    groups: dict[str, set[str]] = {}
    for model, entry in litellm.model_cost.items():
        groups.setdefault(entry["litellm_provider"], set()).add(model)
    return groups


def _of_openai(mode: str) -> set[str]:
    return {
        model
        for model, entry in litellm.model_cost.items()
        if entry.get("litellm_provider") == "openai" and entry.get("mode") == mode
    }


def _keywords() -> list[str]:
    from litellm.settings import LOCAL_KEYWORDS
    from puna.types.option_scopes import CALL_OPTIONS

    return sorted(LOCAL_KEYWORDS | CALL_OPTIONS)


def _exceptions() -> list[type[Exception]]:
    from litellm import exceptions

    return [
        each
        for each in vars(exceptions).values()
        if isinstance(each, type) and issubclass(each, Exception) and each.__name__[0] != "_"
    ]


def make_model_cost() -> dict[str, dict[str, Any]]:
    """A fresh table: `provider/model` to limits, prices in US dollars per token, and abilities.

    Puna's catalogue comes first; what it lacks of Llama's chat models is as LiteLLM lists it, at
    hosts that Puna has no row for, too (`llama_models.json`).
    """
    return _llama_models() | {
        f"{provider}/{facts.model}": _entry_of(facts)
        for provider in known_providers()
        if provider in PROVIDERS  # else they are facts about a host that no row can call yet
        for facts in list_models(provider)
    }


def _llama_models() -> dict[str, dict[str, Any]]:
    text = Path(__file__).with_name("llama_models.json").read_text(encoding="utf-8")
    listed: dict[str, Any] = json.loads(text)
    unknown = _costs_of(None)
    return {name: unknown | entry for name, entry in listed["models"].items()}


def _entry_of(facts: ModelFacts) -> dict[str, Any]:
    """A model's facts under LiteLLM's names. A price that was never published is None."""
    return {
        "litellm_provider": facts.provider,
        "mode": facts.mode,
        "max_tokens": facts.max_output_tokens,
        "max_input_tokens": facts.max_input_tokens,
        "max_output_tokens": facts.max_output_tokens,
        **_costs_of(facts.price),
        "supported_modalities": list(facts.input_modalities),
        "supported_output_modalities": list(facts.output_modalities),
        "source": facts.source,
        **{f"supports_{feature}": True for feature in sorted(facts.features)},
    }


def _costs_of(price: Price | None) -> dict[str, float | None]:
    if price is None:
        return {"input_cost_per_token": None, "output_cost_per_token": None}
    costs = {
        "input_cost_per_token": price.input_picos,
        "output_cost_per_token": price.output_picos,
        "cache_read_input_token_cost": price.cached_input_picos,
        "cache_creation_input_token_cost": price.cache_write_picos,
        "cache_creation_input_token_cost_above_1hr": price.cache_write_1h_picos,
    }
    return {name: dollars(picos) for name, picos in costs.items() if picos is not None}


_TABLES: dict[str, Callable[[], Any]] = {
    "model_cost": make_model_cost,
    "model_list": lambda: list(litellm.model_cost),
    "model_list_set": lambda: set(litellm.model_list),
    "models_by_provider": _by_provider,
    "provider_list": lambda: list(litellm.LlmProviders),
    "all_embedding_models": lambda: {
        model for model, entry in litellm.model_cost.items() if entry.get("mode") == "embedding"
    },
    "open_ai_chat_completion_models": lambda: _of_openai("chat"),
    "open_ai_text_completion_models": lambda: _of_openai("completion"),
    "open_ai_embedding_models": lambda: _of_openai("embedding"),
    "openai_compatible_endpoints": lambda: [row.base_url for row in PROVIDERS.values()],
    "known_tokenizer_config": dict[str, Any],
    "all_litellm_params": _keywords,
    "_litellm_completion_params": _keywords,
    "LITELLM_EXCEPTION_TYPES": _exceptions,
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
