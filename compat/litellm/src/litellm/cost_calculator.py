"""What calls cost, in US dollars. A price that nobody published is unknown: None, never 0.0.

Costs are those of the price, less `litellm.cost_discount_config` and with
`litellm.cost_margin_config` of the host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import litellm
from litellm.error_translation import litellm_exception_of
from litellm.model_table import check_provider, get_entry, provider_of
from litellm.released import getattr_of
from puna.api.models import token_counter
from puna.catalog.prices import Price, cost_picos, dollars, price_from_dollars_per_token
from puna.errors import PunaError


def cost_per_token(  # noqa: PLR0913 - LiteLLM's signature
    model: str = "",
    prompt_tokens: int = 0,
    completion_tokens: int = 0,
    *,
    custom_llm_provider: str | None = None,
    cache_creation_input_tokens: int | None = 0,
    cache_read_input_tokens: int | None = 0,
    custom_cost_per_token: Mapping[str, float] | None = None,
    usage_object: Any = None,
    **kwargs: Any,
) -> tuple[float, float] | tuple[None, None]:
    """The cost of the prompt and of the completion; two Nones where the price is unknown.

    Tokens that the host read from its cache or wrote to it are part of `prompt_tokens`, each billed
    at its own price. With a `usage_object` all counts are read there.

    Raises:
        litellm.BadRequestError: the model names no known provider.
        litellm.ModelNotMappedError: the model table does not know it.
    """
    del kwargs  # times, characters, images: what the models here are not billed by
    try:
        price = _price_of(model, custom_llm_provider, custom_cost_per_token)
    except PunaError as error:
        raise litellm_exception_of(error, model=model) from error
    if price is None:
        return None, None
    cached, written = cache_read_input_tokens or 0, (cache_creation_input_tokens or 0, 0)
    if usage_object is not None:
        prompt_tokens = _field(usage_object, "prompt_tokens") or 0
        completion_tokens = _field(usage_object, "completion_tokens") or 0
        cached, written = _cache_tokens(usage_object)
    return (
        dollars(cost_picos(price, prompt_tokens, 0, cached, written)),
        dollars(cost_picos(price, 0, completion_tokens)),
    )


def completion_cost(  # noqa: PLR0913 - LiteLLM's signature
    completion_response: Any = None,
    model: str | None = None,
    prompt: str = "",
    messages: Sequence[Mapping[str, Any]] = (),
    completion: str = "",
    *,
    custom_llm_provider: str | None = None,
    custom_cost_per_token: Mapping[str, float] | None = None,
    **kwargs: Any,
) -> float | None:
    """What an answer cost, or what these texts would; None where the price is unknown.

    Raises as `cost_per_token` does.
    """
    del kwargs
    name = model or str(_field(completion_response, "model") or "")
    usage = _field(completion_response, "usage")
    prices: dict[str, Any] = {
        "custom_llm_provider": custom_llm_provider,
        "custom_cost_per_token": custom_cost_per_token,
    }
    if usage is not None:
        costs = cost_per_token(name, usage_object=usage, **prices)
    else:
        asked = token_counter(name, messages=messages) if messages else token_counter(name, prompt)
        costs = cost_per_token(name, asked, token_counter(name, completion), **prices)
    cost = costs[0] + costs[1] if costs[0] is not None else None
    return billed(cost, custom_llm_provider or provider_of(name))


def billed(cost: float | None, provider: str | None) -> float | None:
    """A cost with the discount and the margin that the module's settings give for a host.

    A discount is a share of the cost; a margin a share of what is left, or an object with
    `percentage` and `fixed_amount`; `global` stands for hosts that are not named.
    """
    if cost is None:
        return None
    cost -= cost * litellm.cost_discount_config.get(provider or "", 0.0)
    margins = litellm.cost_margin_config
    margin = margins.get(provider or "", margins.get("global", 0.0))
    if isinstance(margin, Mapping):
        share, fixed = margin.get("percentage", 0.0), margin.get("fixed_amount", 0.0)
        return cost + cost * float(share) + float(fixed)
    return cost + cost * float(margin)


def _price_of(model: str, provider: str | None, custom: Mapping[str, float] | None) -> Price | None:
    if custom is None:
        check_provider(model, provider)
        _, custom = get_entry(model, provider)
    if custom.get("input_cost_per_token") is None and custom.get("output_cost_per_token") is None:
        return None
    return Price(
        input_picos=_picos(custom, "input_cost_per_token") or 0,
        output_picos=_picos(custom, "output_cost_per_token") or 0,
        cached_input_picos=_picos(custom, "cache_read_input_token_cost"),
        cache_write_picos=_picos(custom, "cache_creation_input_token_cost"),
        cache_write_1h_picos=_picos(custom, "cache_creation_input_token_cost_above_1hr"),
    )


def _picos(entry: Mapping[str, Any], name: str) -> int | None:
    value = entry.get(name)
    return None if value is None else price_from_dollars_per_token(value)


def _cache_tokens(usage: Any) -> tuple[int, tuple[int, int]]:
    """The tokens read from the host's cache, and those written for minutes and for an hour."""
    details = _field(usage, "prompt_tokens_details")
    read = _field(details, "cached_tokens") or _field(usage, "cache_read_input_tokens") or 0
    written = (
        _field(details, "cache_creation_tokens")
        or _field(usage, "cache_creation_input_tokens")
        or 0
    )
    by_age = _field(details, "cache_creation_token_details")
    for_an_hour = min(_field(by_age, "ephemeral_1h_input_tokens") or 0, written)
    return read, (written - for_an_hour, for_an_hour)


def _field(value: Any, name: str) -> Any:
    """A field of an answer, which may be an object or a dict."""
    if isinstance(value, Mapping):
        return value.get(name)
    return getattr(value, name, None)


__getattr__ = getattr_of(__name__)
