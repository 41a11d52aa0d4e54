"""OpenRouter. A stream's usage comes unasked, in the last chunk.

Where a model fails after it has begun, the status is 200 and the error inside. Sources: its pages
"Streaming", "Errors and Debugging" and "Responses", read 2026-11-26; variables as in LiteLLM
1.106.2.
"""

from __future__ import annotations

from puna.bridges.histories.rules import OPEN_ROUTER
from puna.dialects.quirks import HINTS, Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="openrouter",
    base_url="https://openrouter.ai/api/v1",
    docs_url="https://openrouter.ai/docs/api-reference/streaming",
    base_url_variables=("OPENROUTER_API_BASE",),
    key_variables=("OPENROUTER_API_KEY", "OR_API_KEY"),
    is_key_bound_to_host=True,
    quirks=Quirks(
        # Its pages "Reasoning tokens" (both fields go back) and "Prompt caching" (marks stand in
        # parts).
        messages=OPEN_ROUTER,
        known_hints=HINTS,
        has_responses=True,
        prefers_chat_for_tools=True,
    ),
)
