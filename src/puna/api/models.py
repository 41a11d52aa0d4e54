"""What is known of models without asking anybody: capabilities, limits, tokens, cost, keys."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from puna.catalog.facts import ModelFacts, find_model, nearest_models
from puna.catalog.prices import Price, cost_picos, dollars, price_from_dollars_per_token
from puna.catalog.tokens import count_message_tokens, count_tokens
from puna.errors import BadRequestError, NotFoundError
from puna.providers.base import Provider, first_set
from puna.providers.table import split_model
from puna.types.chat import ChatCompletion
from puna.types.completions import TextCompletion
from puna.types.requests import PARAMS
from puna.types.secret import Secret


def get_llm_provider(
    model: str, custom_llm_provider: str | None = None, api_base: str | None = None
) -> tuple[str, str, Secret | None, str | None]:
    """`provider/model` as (model, provider, key of the environment, base URL).

    Raises:
        BadRequestError: the provider is not known.
    """
    row, name = split_model(model, provider=custom_llm_provider, has_api_base=bool(api_base))
    key = first_set(os.environ, row.key_variables)
    base = api_base or first_set(os.environ, row.base_url_variables) or row.own_address(os.environ)
    return name, row.name, Secret(key) if key is not None else None, base


def find_facts(model: str, custom_llm_provider: str | None = None) -> ModelFacts | None:
    """The catalogue's entry of a model, or None for a model or provider it does not know."""
    try:
        row, name = split_model(model, provider=custom_llm_provider)
    except BadRequestError:
        return None
    return find_model(row.name, name)


def get_model_info(model: str, custom_llm_provider: str | None = None) -> dict[str, Any]:
    """The catalogue's entry of a model.

    `provider` and `model`; `mode`; `max_input_tokens` and `max_output_tokens`;
    `input_cost_per_token` and `output_cost_per_token` in US dollars, None where no price was ever
    published; `input_modalities` and `output_modalities`; `supported_openai_params`; `source`; and
    `supports_…`, True, for each feature that it has.

    Raises:
        NotFoundError: the catalogue does not know the model; the message names near ones.
    """
    facts = find_facts(model, custom_llm_provider)
    if facts is None:
        raise _unmapped(model, custom_llm_provider)
    price = facts.price
    return {
        "provider": facts.provider,
        "model": facts.model,
        "mode": facts.mode,
        "max_input_tokens": facts.max_input_tokens,
        "max_output_tokens": facts.max_output_tokens,
        "input_cost_per_token": dollars(price.input_picos) if price is not None else None,
        "output_cost_per_token": dollars(price.output_picos) if price is not None else None,
        "input_modalities": list(facts.input_modalities),
        "output_modalities": list(facts.output_modalities),
        "supported_openai_params": get_supported_openai_params(model, custom_llm_provider),
        "source": facts.source,
        **{f"supports_{feature}": True for feature in sorted(facts.features)},
    }


def supports(feature: str, model: str, custom_llm_provider: str | None = None) -> bool:
    """Whether the catalogue says that a model has a feature; False for what it does not know."""
    facts = find_facts(model, custom_llm_provider)
    return facts is not None and feature in facts.features


def supports_vision(model: str, custom_llm_provider: str | None = None) -> bool:
    """Whether the model reads images."""
    return supports("vision", model, custom_llm_provider)


def supports_function_calling(model: str, custom_llm_provider: str | None = None) -> bool:
    """Whether the model calls tools."""
    return supports("function_calling", model, custom_llm_provider)


def supports_response_schema(model: str, custom_llm_provider: str | None = None) -> bool:
    """Whether the model keeps to a JSON schema."""
    return supports("response_schema", model, custom_llm_provider)


def get_supported_openai_params(
    model: str, custom_llm_provider: str | None = None
) -> list[str] | None:
    """The OpenAI parameters that are sent to this model's provider; None for no known provider."""
    try:
        row, name = split_model(model, provider=custom_llm_provider)
    except BadRequestError:
        return None
    return [
        *sorted(set(PARAMS) - row.quirks_of(name, is_own_host=True).unsupported_params),
        "stream",
    ]


def token_counter(
    model: str = "",
    text: str | Sequence[str] | None = None,
    messages: Sequence[Mapping[str, Any]] | None = None,
    tools: Sequence[Mapping[str, Any]] | None = None,
) -> int:
    """Tokens of a text or of messages. Never asks the network.

    Exact for Llama 3 and 4 where their vocabularies are installed, else an estimate: see
    `puna.catalog.tokens.count_tokens`, which says which of the two it is.

    Raises:
        BadRequestError: neither `text` nor `messages` is given.
    """
    name = model.rpartition("/")[2]
    if messages is not None:
        return count_message_tokens(name, messages, tools).count
    if text is None:
        raise BadRequestError("Give `text` or `messages` to count.", param="text")
    parts = [text] if isinstance(text, str) else text
    return sum(count_tokens(name, part).count for part in parts)


def completion_cost(
    completion_response: ChatCompletion | TextCompletion | None = None,
    model: str | None = None,
    *,
    prompt: str = "",
    messages: Sequence[Mapping[str, Any]] | None = None,
    completion: str = "",
    custom_cost_per_token: Mapping[str, float] | None = None,
) -> float | None:
    """What an answer cost, in US dollars; None for a model whose price was never published.

    `custom_cost_per_token` is a price of your own: `input_cost_per_token` and
    `output_cost_per_token`.

    Raises:
        NotFoundError: the catalogue does not know the model and no price is given.
    """
    name = model or (completion_response.model if completion_response is not None else "")
    price = _price_of(name, custom_cost_per_token)
    if price is None:
        return None
    if completion_response is not None and completion_response.usage is not None:
        usage = completion_response.usage
        details = usage.prompt_tokens_details
        cached = (details.cached_tokens or 0) if details is not None else 0
        written = details.written_tokens if details is not None else (0, 0)
        counts = (usage.prompt_tokens, usage.completion_tokens, cached, written)
        return dollars(cost_picos(price, *counts))
    given = token_counter(name, prompt, messages)
    return dollars(cost_picos(price, given, token_counter(name, completion)))


def validate_environment(model: str) -> dict[str, Any]:
    """Whether the environment holds what calls to this model need.

    `{"keys_in_environment": bool, "missing_keys": [variable, …]}`. An own base URL in the
    environment makes the key optional, and what a host's own address is made of.

    Raises:
        BadRequestError: the provider is not known.
    """
    row, _ = split_model(model)
    has_own_base = first_set(os.environ, row.base_url_variables) is not None
    missing: list[str] = []
    if row.needs_key and not has_own_base and not _has_keys(row):
        missing += row.key_variables[:1]
    if not has_own_base:
        missing += row.base_url_variables[:1] if row.base_url is None else ()
        told = {setting: setting.find({}, os.environ) for setting in row.settings}
        missing += [setting.variables[0] for setting, value in told.items() if value is None]
    return {"keys_in_environment": not missing, "missing_keys": missing}


def _has_keys(row: Provider) -> bool:
    """Whether the environment holds a key to send, or a pair of keys to sign with."""
    if first_set(os.environ, row.key_variables) is not None:
        return True
    rule = row.signing
    pair = (rule.access_key_id, rule.secret_access_key) if rule is not None else ()
    return bool(pair) and all(key.find({}, os.environ) is not None for key in pair)


def _price_of(model: str, custom: Mapping[str, float] | None) -> Price | None:
    if custom is not None:
        return Price(
            input_picos=price_from_dollars_per_token(custom.get("input_cost_per_token", 0)),
            output_picos=price_from_dollars_per_token(custom.get("output_cost_per_token", 0)),
        )
    facts = find_facts(model)
    if facts is None:
        raise _unmapped(model, None)
    return facts.price


def _unmapped(model: str, provider: str | None) -> NotFoundError:
    prefix, _, name = model.partition("/")
    near = nearest_models(provider or prefix, name or model)
    hint = f" Near names: {', '.join(f'`{n}`' for n in near)}." if near else ""
    return NotFoundError(
        f"The catalogue does not know the model `{model}`; give its price or limits yourself."
        f"{hint}",
        code="model_not_mapped",
        param="model",
        model=model,
    )
