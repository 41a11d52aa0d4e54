"""Meta's Llama API over its own protocol, and whoever speaks like it.

Meta ended the hosted preview on 2026-07-06. The row stays for servers that were written for it:
`LLAMA_API_CLIENT_BASE_URL`, which Meta's client reads too, or `api_base` names one. Facts: the
types of Meta's Llama API client 0.6.0, read 2026-11-26.
"""

from __future__ import annotations

from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

_IMPOSSIBLE = frozenset((
    "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs",
    "modalities", "parallel_tool_calls", "prediction", "presence_penalty", "reasoning_effort",
    "seed", "stop", "thinking", "top_logprobs", "verbosity", "web_search_options",
))  # fmt: skip
_WITHOUT_EFFECT = frozenset((
    "metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier",
    "store",
))  # fmt: skip
"""About caches, queues and records of the host's, of which it offers none."""

PROVIDER = Provider(
    name="llama_api_native",
    base_url="https://api.llama.com/v1",
    docs_url="https://llama.developer.meta.com/docs",
    base_url_variables=("LLAMA_API_CLIENT_BASE_URL",),
    key_variables=("LLAMA_API_KEY",),
    dialect="llama_native",
    quirks=Quirks(
        unsupported_params=_IMPOSSIBLE,
        ignored_params=_WITHOUT_EFFECT,
        response_formats=frozenset(("json_schema", "text")),
        rename_roles={"developer": "system"},
        rename_params={"max_tokens": "max_completion_tokens"},
        max_choices=1,
        max_images=9,
        unsupported_message_fields=frozenset(("audio", "function_call")),
    ),
    retirement=(
        "Meta retired its hosted Llama API (api.llama.com) on 2026-07-06: set `api_base` or "
        "`LLAMA_API_CLIENT_BASE_URL` to a server that speaks its protocol, use another provider, "
        "or use the embedded model `embedded/smollm2-135m`."
    ),
)
