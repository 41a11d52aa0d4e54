"""Ollama, over its OpenAI-compatible path.

Source: its page "OpenAI compatibility", read 2026-11-26; variables as in LiteLLM 1.106.2, where
`ollama` and `ollama_chat` are its two native endpoints.
"""

from __future__ import annotations

from dataclasses import replace

from puna.dialects.base import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="ollama",
    base_url="http://localhost:11434",
    docs_url="https://docs.ollama.com/api/openai-compatibility",
    base_url_variables=("OLLAMA_API_BASE",),
    key_variables=("OLLAMA_API_KEY",),
    needs_key=False,
    is_self_hosted=True,
    quirks=Quirks(
        # Its page marks these as not supported; the last one would change no answer.
        unsupported_params=frozenset(("logit_bias", "tool_choice")),
        ignored_params=frozenset(("user",)),
        max_choices=1,
        # The only limit in its list of fields is `max_tokens`.
        rename_params={"max_completion_tokens": "max_tokens"},
        tells_stream_usage=True,
        # Its address stands in variables and configs without the path.
        path_prefix="/v1",
    ),
)

CHAT_PROVIDER = replace(PROVIDER, name="ollama_chat")
"""The same server under the other prefix."""
