"""What calls cost, in US dollars. Known models without a published price cost 0.0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from litellm.error_translation import litellm_exception_of
from litellm.model_table import check_provider, get_entry
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
    cache_read_input_tokens: int | None = 0,
    custom_cost_per_token: Mapping[str, float] | None = None,
    usage_object: Any = None,
    **kwargs: Any,
) -> tuple[float, float]:
    """The cost of the prompt and of the completion.

    Raises:
        litellm.BadRequestError: the model names no known provider.
        litellm.ModelNotMappedError: the model table does not know it.
    """
    del kwargs  # times, characters, images: what the models here are not billed by
    try:
        price = _price_of(model, custom_llm_provider, custom_cost_per_token)
    except PunaError as error:
        raise litellm_exception_of(error, model=model) from error
    cached = cache_read_input_tokens or 0
    if usage_object is not None:
        prompt_tokens = usage_object.prompt_tokens
        completion_tokens = usage_object.completion_tokens
        cached = _cached_tokens(usage_object)
    return (
        dollars(cost_picos(price, prompt_tokens, 0, cached)),
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
) -> float:
    """What an answer cost, or what these texts would. Raises as `cost_per_token` does."""
    del kwargs
    name = model or str(_field(completion_response, "model") or "")
    usage = _field(completion_response, "usage")
    if usage is not None:
        details = _field(usage, "prompt_tokens_details")
        costs = cost_per_token(
            name,
            _field(usage, "prompt_tokens") or 0,
            _field(usage, "completion_tokens") or 0,
            custom_llm_provider=custom_llm_provider,
            cache_read_input_tokens=_field(details, "cached_tokens"),
            custom_cost_per_token=custom_cost_per_token,
        )
    else:
        costs = cost_per_token(
            name,
            token_counter(name, messages=messages) if messages else token_counter(name, prompt),
            token_counter(name, completion),
            custom_llm_provider=custom_llm_provider,
            custom_cost_per_token=custom_cost_per_token,
        )
    return sum(costs)


def _price_of(model: str, provider: str | None, custom: Mapping[str, float] | None) -> Price:
    if custom is None:
        check_provider(model, provider)
        _, custom = get_entry(model, provider)
    cached = custom.get("cache_read_input_token_cost")
    return Price(
        input_picos=price_from_dollars_per_token(custom.get("input_cost_per_token") or 0),
        output_picos=price_from_dollars_per_token(custom.get("output_cost_per_token") or 0),
        cached_input_picos=price_from_dollars_per_token(cached) if cached is not None else None,
    )


def _cached_tokens(usage: Any) -> int:
    return _field(_field(usage, "prompt_tokens_details"), "cached_tokens") or 0


def _field(value: Any, name: str) -> Any:
    """A field of an answer, which may be an object or a dict."""
    if isinstance(value, Mapping):
        return value.get(name)
    return getattr(value, name, None)


__getattr__ = getattr_of(__name__)
