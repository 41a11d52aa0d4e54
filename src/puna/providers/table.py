"""All providers by name, and the parsing of `provider/model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from puna.errors import BadRequestError
from puna.providers import (
    anthropic,
    azure,
    bedrock,
    cerebras,
    cohere,
    deepinfra,
    deepseek,
    embedded,
    fireworks_ai,
    gemini,
    groq,
    hosted_vllm,
    huggingface,
    litellm_proxy,
    llama_api_native,
    llama_cpp,
    llamafile,
    lm_studio,
    meta,
    meta_llama,
    mistral,
    nvidia_nim,
    ollama,
    openai,
    openrouter,
    sambanova,
    sglang,
    together_ai,
    vertex_ai,
    xai,
)
from puna.providers.base import Provider
from puna.types.display import display

_LONGEST = 100
_SIMILARITY = 0.7

PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {
        row.name: row
        for row in (
            anthropic.PROVIDER,
            azure.PROVIDER,
            bedrock.PROVIDER,
            cerebras.PROVIDER,
            cohere.PROVIDER,
            cohere.CHAT_PROVIDER,
            deepinfra.PROVIDER,
            deepseek.PROVIDER,
            embedded.PROVIDER,
            fireworks_ai.PROVIDER,
            gemini.PROVIDER,
            groq.PROVIDER,
            hosted_vllm.PROVIDER,
            huggingface.PROVIDER,
            litellm_proxy.PROVIDER,
            llama_api_native.PROVIDER,
            llama_cpp.PROVIDER,
            llamafile.PROVIDER,
            lm_studio.PROVIDER,
            meta.PROVIDER,
            meta_llama.PROVIDER,
            mistral.PROVIDER,
            nvidia_nim.PROVIDER,
            ollama.PROVIDER,
            ollama.CHAT_PROVIDER,
            openai.PROVIDER,
            openrouter.PROVIDER,
            sambanova.PROVIDER,
            sglang.PROVIDER,
            together_ai.PROVIDER,
            vertex_ai.PROVIDER,
            xai.PROVIDER,
        )
    }
)


def split_model(
    model: str,
    *,
    provider: str | None = None,
    has_api_base: bool = False,
    providers: Mapping[str, Provider] = PROVIDERS,
) -> tuple[Provider, str]:
    """Split `provider/model` into the provider's row and the upstream model name.

    `provider` overrides the prefix. With an `api_base` a name without a prefix belongs to `openai`,
    the row for any server that speaks its protocol. An unknown prefix is refused even then: it may
    be a typo, and a server would be asked for a model of that name. Without either, a name such as
    `gpt-4o` or `claude-sonnet-4-5` belongs to its maker (`Provider.bare_names`).

    Raises:
        BadRequestError: no known provider is named.
    """
    if provider is not None:
        row = providers.get(provider)
        if row is None:
            raise _unknown(provider, model, providers)
        name = row.upstream_name(model.removeprefix(f"{provider}/"))
        if not name:
            raise _nameless(provider, model)
        return row, name
    prefix, slash, rest = model.partition("/")
    row = providers.get(prefix) if slash else None
    if row is not None:
        name = row.upstream_name(rest)
        if not name:
            raise _nameless(prefix, model)
        return row, name
    if has_api_base and not slash:
        return providers.get(openai.PROVIDER.name, openai.PROVIDER), model
    maker = None if slash else _maker_of(model, providers)
    if maker is None:
        raise _unknown(prefix if slash else "", model, providers)
    return maker, model


def _maker_of(model: str, providers: Mapping[str, Provider]) -> Provider | None:
    """The provider that a model name without a prefix belongs to, by how it begins; or None."""
    for row in providers.values():
        if row.bare_names and model.startswith(row.bare_names):
            return row
    return None


def _nameless(provider: str, model: str) -> BadRequestError:
    """The error for `provider/` without a model's name."""
    return BadRequestError(
        f"`{display(model)}` names no model: write `{provider}/` and then the model's name.",
        param="model",
        provider=provider,
        model=model,
    )


def _similar(prefix: str, providers: Iterable[str]) -> str | None:
    """The provider whose name begins or ends with a prefix (`vllm`), or is spelled similarly."""
    from difflib import get_close_matches

    ends = [name for name in providers if name.endswith(f"_{prefix}")]
    begins = [name for name in providers if name.startswith(f"{prefix}_")]
    near = get_close_matches(prefix, providers, n=1, cutoff=_SIMILARITY)
    return next(iter((*ends, *begins, *near)), None)


def _unknown(prefix: str, model: str, providers: Mapping[str, Provider]) -> BadRequestError:
    """The error for a prefix that is no provider."""
    known = ", ".join(f"{name}/" for name in sorted(providers))
    if not prefix:
        return BadRequestError(
            f"No provider in `{display(model)}`: begin the model with one of {known} or give "
            "`api_base` for an OpenAI-compatible server.",
            param="model",
            model=model,
        )
    near = _similar(prefix.casefold(), providers) if len(prefix) < _LONGEST else None
    hint = f": did you mean `{near}/`?" if near else "."
    return BadRequestError(
        f"Unknown provider `{display(prefix)}` in `{display(model)}`{hint} For an "
        "OpenAI-compatible server whose model has this name write "
        f"`{openai.PROVIDER.name}/{display(model)}` and give `api_base`; "
        f"known are {known.rstrip(',')}.",
        param="model",
        model=model,
    )
