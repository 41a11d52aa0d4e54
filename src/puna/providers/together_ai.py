"""Together AI. A stream's usage comes unasked, in the chunk with the finish reason.

Source: its OpenAPI document, as the types of its Python client have it, read 2026-11-26; variables
as in LiteLLM 1.106.2.
"""

from __future__ import annotations

from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="together_ai",
    base_url="https://api.together.ai/v1",
    docs_url="https://docs.together.ai/docs/chat-overview",
    base_url_variables=("TOGETHER_AI_API_BASE",),
    key_variables=(
        "TOGETHER_API_KEY",
        "TOGETHER_AI_API_KEY",
        "TOGETHERAI_API_KEY",
        "TOGETHER_AI_TOKEN",
    ),
    is_key_bound_to_host=True,
    quirks=Quirks(
        # The only limit in its document is `max_tokens`.
        rename_params={"max_completion_tokens": "max_tokens"},
        rename_finish_reasons={"eos": "stop"},
        # `POST /completions`, as its Python client and LiteLLM 1.106.2 ask it.
        has_completions=True,
    ),
)
