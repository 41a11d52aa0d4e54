"""LiteLLM's helpers, and the names that importers take from this module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import litellm
from litellm.custom_providers import find_custom
from litellm.error_translation import litellm_exception_of
from litellm.litellm_core_utils.streaming_handler import (
    CustomStreamWrapper as CustomStreamWrapper,  # noqa: PLC0414 - LiteLLM has it here too
)
from litellm.litellm_core_utils.streaming_handler import (
    TextCompletionStreamWrapper as TextCompletionStreamWrapper,  # noqa: PLC0414 - the same
)
from litellm.model_table import find_entry, get_entry, provider_of
from litellm.released import getattr_of
from litellm.types.utils import *  # noqa: F403 - LiteLLM has them here too  # pyright: ignore[reportWildcardImportFromLibrary]
from puna import errors
from puna.api import models
from puna.catalog import tokens as puna_tokens

T = TypeVar("T")

_INFO_FIELDS = (
    "max_tokens",
    "max_input_tokens",
    "max_output_tokens",
    "input_cost_per_token",
    "output_cost_per_token",
    "cache_creation_input_token_cost",
    "cache_read_input_token_cost",
    "litellm_provider",
    "mode",
    "supports_audio_input",
    "supports_audio_output",
    "supports_function_calling",
    "supports_pdf_input",
    "supports_prompt_caching",
    "supports_reasoning",
    "supports_response_schema",
    "supports_system_messages",
    "supports_tool_choice",
    "supports_vision",
    "supports_web_search",
    "tpm",
    "rpm",
)


def get_llm_provider(
    model: str,
    custom_llm_provider: str | None = None,
    api_base: str | None = None,
    api_key: str | None = None,
    litellm_params: Any = None,
) -> tuple[str, str, str | None, str | None]:
    """`(model without prefix, provider, key, base URL)` of a model name.

    Raises:
        litellm.BadRequestError: no known provider is named.
    """
    if litellm_params is not None:
        custom_llm_provider = custom_llm_provider or _param(litellm_params, "custom_llm_provider")
        api_base = api_base or _param(litellm_params, "api_base")
        api_key = api_key or _param(litellm_params, "api_key")
    custom = find_custom(model, custom_llm_provider)
    if custom is not None:
        return custom[1], custom[0], api_key, api_base
    found = _translated(
        lambda: models.get_llm_provider(model, custom_llm_provider, api_base), model
    )
    name, provider, key, base = found
    if not api_key and key is not None:
        api_key = key.reveal()  # LiteLLM's callers get the key as text
    return name, provider, api_key or None, base


def get_model_info(
    model: str,
    custom_llm_provider: str | None = None,
    api_base: str | None = None,
    api_key: str | None = None,
) -> dict[str, Any]:
    """Limits, prices in US dollars per token, and abilities; what is not known is None.

    Raises:
        litellm.ModelNotMappedError: the model table does not know the model.
    """
    del api_base, api_key  # LiteLLM asks some servers with them; the table here is local
    key, entry = get_entry(model, custom_llm_provider)
    return {
        "key": key,
        **dict.fromkeys(_INFO_FIELDS),
        **entry,
        "supported_openai_params": get_supported_openai_params(model, custom_llm_provider),
    }


def get_max_tokens(model: str) -> int | None:
    """The most tokens that the model answers with. Raises as `get_model_info` does."""
    _, entry = get_entry(model)
    limit: int | None = entry.get("max_output_tokens") or entry.get("max_tokens")
    return limit


def register_model(model_cost: Mapping[str, Mapping[str, Any]], **kwargs: Any) -> dict[str, Any]:
    """Add entries to `litellm.model_cost`, or change fields of those there; gives the table."""
    del kwargs
    table: dict[str, Any] = litellm.model_cost
    for name, entry in model_cost.items():
        table[name] = {**table.get(name, {}), **entry}
        if name not in litellm.model_list:
            litellm.model_list.append(name)
    return table


def get_valid_models(
    check_provider_endpoint: bool | None = None,  # noqa: FBT001 - LiteLLM's signature
    custom_llm_provider: str | None = None,
    **kwargs: Any,
) -> list[str]:
    """The models whose keys the environment holds. Nobody is asked over the network."""
    del check_provider_endpoint, kwargs
    return [
        name
        for name in litellm.model_list
        if (custom_llm_provider is None or name.startswith(f"{custom_llm_provider}/"))
        and provider_of(name) is not None
        and validate_environment(name)["keys_in_environment"]
    ]


def validate_environment(
    model: str | None = None,
    api_key: str | None = None,
    api_base: str | None = None,
    api_version: str | None = None,
) -> dict[str, Any]:
    """`{"keys_in_environment": bool, "missing_keys": [variable, …]}` for calls to this model.

    A given key or base counts as present. A model of no known provider needs nothing that could be
    named: True and no names, as in LiteLLM.
    """
    del api_version
    if model is None or api_key or api_base:
        return {"keys_in_environment": True, "missing_keys": []}
    try:
        return models.validate_environment(model)
    except errors.BadRequestError:
        return {"keys_in_environment": True, "missing_keys": []}


def token_counter(  # noqa: PLR0913, PLR0917 - LiteLLM's signature
    model: str = "",
    custom_tokenizer: Any = None,
    text: str | Sequence[str] | None = None,
    messages: Sequence[Any] | None = None,
    count_response_tokens: bool | None = False,  # noqa: FBT001, FBT002 - LiteLLM's signature
    tools: Sequence[Mapping[str, Any]] | None = None,
    tool_choice: Any = None,
    use_default_image_token_count: bool | None = False,  # noqa: FBT001, FBT002 - the same
    default_token_count: int | None = None,
) -> int:
    """Tokens of a text or of messages; never asks the network.

    Exact for Llama 3 and 4 where their vocabularies are installed, else an estimate
    (`puna.catalog.tokens`). Messages may be answers' `message` objects. A `custom_tokenizer` is not
    used: counting is by model.

    Raises:
        ValueError: neither `text` nor `messages` is given.
    """
    del custom_tokenizer, count_response_tokens, tool_choice
    del use_default_image_token_count, default_token_count
    if text is None and messages is None:
        raise ValueError("Give `text` or `messages` to count.")
    plain = [_plain(message) for message in messages] if messages is not None else None
    return _translated(lambda: models.token_counter(model, text, plain, tools), model)


def encode(model: str = "", text: str = "", custom_tokenizer: Any = None) -> list[int]:
    """The token ids of a text, for Llama 3 and 4.

    Raises:
        litellm.BadRequestError: the model has another vocabulary, or it is not installed.
    """
    del custom_tokenizer
    return _translated(lambda: puna_tokens.encode(model.rpartition("/")[2], text), model)


def decode(
    model: str = "",
    tokens: Sequence[int] = (),
    custom_tokenizer: Any = None,
    skip_special_tokens: bool = True,  # noqa: FBT001, FBT002 - LiteLLM's signature
) -> str:
    """The text of token ids. Raises as `encode` does."""
    del custom_tokenizer, skip_special_tokens
    return _translated(lambda: puna_tokens.decode(model.rpartition("/")[2], tokens), model)


def get_supported_openai_params(
    model: str,
    custom_llm_provider: str | None = None,
    request_type: str = "chat_completion",
    base_model: str | None = None,
) -> list[str] | None:
    """The OpenAI parameters that reach this model's host; None for no known provider."""
    del base_model
    if request_type != "chat_completion":
        return None
    return models.get_supported_openai_params(model, custom_llm_provider)


def supports_factory(model: str, custom_llm_provider: str | None, key: str) -> bool:
    """Whether the model table says that a model has an ability. Never raises."""
    provider = custom_llm_provider or provider_of(model)
    found = find_entry(model, provider)
    return found is not None and bool(found[1].get(key))


def supports_function_calling(model: str, custom_llm_provider: str | None = None) -> bool:
    """Whether the model calls tools."""
    return supports_factory(model, custom_llm_provider, "supports_function_calling")


def supports_parallel_function_calling(model: str, custom_llm_provider: str | None = None) -> bool:
    """Whether the model calls several tools at once."""
    return supports_factory(model, custom_llm_provider, "supports_parallel_function_calling")


def supports_tool_choice(model: str, custom_llm_provider: str | None = None) -> bool:
    """Whether the model obeys `tool_choice`."""
    return supports_factory(model, custom_llm_provider, "supports_tool_choice")


def supports_response_schema(model: str, custom_llm_provider: str | None = None) -> bool:
    """Whether the model keeps to a JSON schema."""
    return supports_factory(model, custom_llm_provider, "supports_response_schema")


def supports_vision(model: str, custom_llm_provider: str | None = None) -> bool:
    """Whether the model reads images."""
    return supports_factory(model, custom_llm_provider, "supports_vision")


def supports_system_messages(model: str, custom_llm_provider: str | None = None) -> bool:
    """Whether the model takes system messages."""
    return supports_factory(model, custom_llm_provider, "supports_system_messages")


def supports_reasoning(model: str, custom_llm_provider: str | None = None) -> bool:
    """Whether the model thinks before it answers."""
    return supports_factory(model, custom_llm_provider, "supports_reasoning")


def supports_prompt_caching(model: str, custom_llm_provider: str | None = None) -> bool:
    """Whether the host reuses prompts."""
    return supports_factory(model, custom_llm_provider, "supports_prompt_caching")


def supports_audio_input(model: str, custom_llm_provider: str | None = None) -> bool:
    """Whether the model hears."""
    return supports_factory(model, custom_llm_provider, "supports_audio_input")


def supports_audio_output(model: str, custom_llm_provider: str | None = None) -> bool:
    """Whether the model speaks."""
    return supports_factory(model, custom_llm_provider, "supports_audio_output")


def supports_pdf_input(model: str, custom_llm_provider: str | None = None) -> bool:
    """Whether the model reads PDF files."""
    return supports_factory(model, custom_llm_provider, "supports_pdf_input")


def supports_web_search(model: str, custom_llm_provider: str | None = None) -> bool:
    """Whether the model searches the web."""
    return supports_factory(model, custom_llm_provider, "supports_web_search")


def _translated(ask: Callable[[], T], model: str) -> T:
    try:
        return ask()
    except errors.PunaError as error:
        raise litellm_exception_of(error, model=model) from error


def _param(params: Any, name: str) -> Any:
    if isinstance(params, Mapping):
        return params.get(name)
    return getattr(params, name, None)


def _plain(message: Any) -> Any:
    return message.model_dump(exclude_none=True) if hasattr(message, "model_dump") else message


__getattr__ = getattr_of(__name__)
