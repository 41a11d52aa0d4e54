"""DeepSeek.

Written from memory of its API reference, "Create Chat Completion", and not checked against it or
the host (2026-11-30); variables as in LiteLLM 1.106.2.
"""

from __future__ import annotations

from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="deepseek",
    base_url="https://api.deepseek.com",
    docs_url="https://api-docs.deepseek.com/api/create-chat-completion",
    base_url_variables=("DEEPSEEK_API_BASE",),
    key_variables=("DEEPSEEK_API_KEY",),
    is_key_bound_to_host=True,
    bare_names=("deepseek-",),
    quirks=Quirks(
        rename_params={"max_completion_tokens": "max_tokens"},
        response_formats=frozenset(("text", "json_object")),
        documents_stream_usage=True,
        lacks_embeddings=True,
    ),
)
