"""Anthropic's own API. Its key stands in `x-api-key`; a version is told in every request.

Sources: Anthropic API reference, "API overview" and "Messages"; LiteLLM 1.106.2 and its pull
request 24140 (variables); read 2026-11-26.
"""

from __future__ import annotations

from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="anthropic",
    base_url="https://api.anthropic.com",
    docs_url="https://platform.claude.com/docs/en/api/messages",
    base_url_variables=("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
    key_variables=("ANTHROPIC_API_KEY",),
    is_key_bound_to_host=True,
    bare_names=("claude-",),
    dialect="anthropic_messages",
    headers={"anthropic-version": "2023-06-01"},
    quirks=Quirks(
        path_prefix="/v1",
        key_header="x-api-key",
        unsupported_params=frozenset(
            (
                "audio",
                "frequency_penalty",
                "function_call",
                "functions",
                "logit_bias",
                "logprobs",
                "modalities",
                "prediction",
                "presence_penalty",
                "seed",
                "top_logprobs",
                "verbosity",
                "web_search_options",
            )
        ),
        # Hints for a cache and for records of OpenAI's own: no answer would be another.
        ignored_params=frozenset(
            (
                "prompt_cache_key",
                "prompt_cache_retention",
                "safety_identifier",
                "store",
            )
        ),
        max_choices=1,
        response_formats=frozenset(("json_schema", "text")),
        lacks_embeddings=True,
    ),
)
