"""Cohere, over its Compatibility API; LiteLLM calls it `cohere_chat`, too.

Written from memory of its page "Using Cohere models via the OpenAI SDK", which lists parameters
that it does not support, and not checked against it or the host (2026-11-30); variables as in
LiteLLM 1.106.2.
"""

from __future__ import annotations

from dataclasses import replace

from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="cohere",
    base_url="https://api.cohere.ai/compatibility/v1",
    docs_url="https://docs.cohere.com/docs/compatibility-api",
    base_url_variables=("COHERE_API_BASE",),
    key_variables=("COHERE_API_KEY", "CO_API_KEY"),
    is_key_bound_to_host=True,
    bare_names=("c4ai-", "command-", "embed-english-", "embed-multilingual-", "embed-v4"),
    quirks=Quirks(
        rename_params={"max_completion_tokens": "max_tokens"},
        unsupported_params=frozenset(
            ("audio", "logit_bias", "modalities", "prediction", "top_logprobs")
        ),
        ignored_params=frozenset(("parallel_tool_calls", "service_tier", "store")),
        max_choices=1,
        documents_stream_usage=True,
    ),
)
CHAT_PROVIDER = replace(PROVIDER, name="cohere_chat")
