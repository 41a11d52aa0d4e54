"""Cerebras.

Sources: its page "OpenAI Compatibility" as ReqLLM's documentation repeats it, and the types of its
Python client, read 2026-11-26; variables as in LiteLLM 1.106.2.
"""

from __future__ import annotations

from puna.bridges.histories.rules import STRICT
from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="cerebras",
    base_url="https://api.cerebras.ai/v1",
    docs_url="https://inference-docs.cerebras.ai/api-reference/chat-completions",
    base_url_variables=("CEREBRAS_API_BASE",),
    key_variables=("CEREBRAS_API_KEY",),
    is_key_bound_to_host=True,
    quirks=Quirks(
        # "property 'messages.2.assistant.reasoning_content' is unsupported": the host, in
        # Kilo-Org/kilocode 10375 and anomalyco/opencode 33413.
        messages=STRICT,
        # Answered with a 400. Of `logit_bias`, `parallel_tool_calls` and `service_tier`, once
        # refused too, newer clients send all: sources disagree, so these are sent.
        unsupported_params=frozenset(("frequency_penalty", "presence_penalty")),
    ),
)
