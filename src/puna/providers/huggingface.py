"""Hugging Face Inference Providers, by their router.

The model is `org/name`, or `org/name:provider` to choose who serves it. Source: its page "Chat
Completion", read 2026-11-26; variables as in LiteLLM 1.106.2.
"""

from __future__ import annotations

from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="huggingface",
    base_url="https://router.huggingface.co/v1",
    docs_url="https://huggingface.co/docs/inference-providers/tasks/chat-completion",
    base_url_variables=("HF_API_BASE", "HUGGINGFACE_API_BASE"),
    key_variables=("HF_TOKEN", "HUGGINGFACE_API_KEY"),
    is_key_bound_to_host=True,
    quirks=Quirks(
        response_formats=frozenset(("json_object", "json_schema", "text")),
        documents_stream_usage=True,
    ),
)
