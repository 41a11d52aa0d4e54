"""Mistral AI. A stream's usage comes unasked, in the chunk with the finish reason.

Written from memory of its API reference, "Chat Completion", and not checked against it or the host
(2026-11-30); variables as in LiteLLM 1.106.2.
"""

from __future__ import annotations

from puna.bridges.histories.rules import MISTRAL
from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="mistral",
    base_url="https://api.mistral.ai/v1",
    docs_url="https://docs.mistral.ai/api",
    base_url_variables=("MISTRAL_API_BASE",),
    key_variables=("MISTRAL_API_KEY",),
    is_key_bound_to_host=True,
    bare_names=(
        "codestral-",
        "devstral-",
        "magistral-",
        "ministral-",
        "mistral-",
        "open-mistral-",
        "open-mixtral-",
        "pixtral-",
    ),
    quirks=Quirks(
        messages=MISTRAL,
        # It answers 422 to fields that its reference does not have.
        rename_params={"max_completion_tokens": "max_tokens", "seed": "random_seed"},
        unsupported_params=frozenset(("logit_bias", "logprobs", "top_logprobs")),
        ignored_params=frozenset(("service_tier", "store", "stream_options", "user")),
    ),
)
