"""Ollama, over its own protocol.

Source: its OpenAPI description, read 2026-11-26; variables as in LiteLLM 1.106.2, where `ollama`
and `ollama_chat` are its two endpoints for text and chat. Both chat here.
"""

from __future__ import annotations

from dataclasses import replace

from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

_IMPOSSIBLE = frozenset((
    "audio", "function_call", "functions", "logit_bias", "modalities", "parallel_tool_calls",
    "prediction", "thinking", "verbosity", "web_search_options",
))  # fmt: skip
_WITHOUT_EFFECT = frozenset((
    "metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier",
    "store", "user",
))  # fmt: skip
"""About accounts, caches and queues, of which it has none."""

PROVIDER = Provider(
    name="ollama",
    base_url="http://localhost:11434",
    docs_url="https://docs.ollama.com/api",
    base_url_variables=("OLLAMA_API_BASE",),
    key_variables=("OLLAMA_API_KEY",),
    dialect="ollama_native",
    needs_key=False,
    is_self_hosted=True,
    quirks=Quirks(
        unsupported_params=_IMPOSSIBLE,
        ignored_params=_WITHOUT_EFFECT,
        response_formats=frozenset(("json_object", "json_schema", "text")),
        rename_roles={"developer": "system", "function": "tool"},
        # It knows none of its own: `auto` is what it does, `none` leaves the tools out.
        tool_choices=frozenset(("auto", "none")),
        max_choices=1,
        unsupported_message_fields=frozenset(("audio", "function_call")),
    ),
)

CHAT_PROVIDER = replace(PROVIDER, name="ollama_chat")
"""The same server under the other prefix."""
