"""LM Studio's server.

Sources: its pages "Chat Completions", "Responses", "Tool Use" and "API Changelog", read 2026-11-26;
variables as in LiteLLM 1.106.2.
"""

from __future__ import annotations

from puna.bridges.histories.rules import SELF_HOSTED
from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="lm_studio",
    base_url="http://localhost:1234/v1",
    docs_url="https://lmstudio.ai/docs/developer/openai-compat/chat-completions",
    base_url_variables=("LM_STUDIO_API_BASE",),
    key_variables=("LM_STUDIO_API_KEY",),
    needs_key=False,
    is_self_hosted=True,
    quirks=Quirks(
        messages=SELF_HOSTED,
        # The only limit in its list of parameters is `max_tokens`.
        rename_params={"max_completion_tokens": "max_tokens"},
        # Since 0.3.15.
        tool_choices=frozenset(("auto", "none", "required")),
        # Since 0.3.18.
        documents_stream_usage=True,
        # Since 0.3.29.
        has_responses=True,
        # Its page "OpenAI Compatible Endpoints", read 2026-11-30.
        has_completions=True,
        prefers_chat_for_tools=True,
    ),
)
