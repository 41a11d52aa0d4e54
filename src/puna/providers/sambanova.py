"""SambaNova.

Sources: its page "OpenAI compatibility", and the parameters of its reference as LiteLLM 1.106.2
lists them, read 2026-11-26; variables as there.
"""

from __future__ import annotations

from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="sambanova",
    base_url="https://api.sambanova.ai/v1",
    docs_url="https://docs.sambanova.ai/docs/en/features/openai-compatibility",
    base_url_variables=("SAMBANOVA_API_BASE",),
    key_variables=("SAMBANOVA_API_KEY",),
    is_key_bound_to_host=True,
    quirks=Quirks(
        rename_params={"max_completion_tokens": "max_tokens"},
        # "include usage to get generation metrics": LangChain's reference of its client.
        documents_stream_usage=True,
    ),
)
