"""Groq.

Sources: its pages "OpenAI Compatibility", "API Error Codes and Responses" and "Responses API", and
the types of its Python client (chunks), read 2026-11-26; variables as in LiteLLM 1.106.2.
"""

from __future__ import annotations

from puna.bridges.histories.rules import STRICT
from puna.dialects.quirks import Quirks
from puna.providers.base import Provider
from puna.rescue.failed_generation import FailedGeneration

PROVIDER = Provider(
    name="groq",
    base_url="https://api.groq.com/openai/v1",
    docs_url="https://console.groq.com/docs/openai",
    base_url_variables=("GROQ_API_BASE",),
    key_variables=("GROQ_API_KEY",),
    is_key_bound_to_host=True,
    quirks=Quirks(
        # "property 'reasoning_content' is unsupported".
        messages=STRICT,
        # "Will result in a 400 error": these three, a message's name, and n other than 1.
        unsupported_params=frozenset(("logit_bias", "logprobs", "top_logprobs")),
        unsupported_message_fields=frozenset(("name",)),
        max_choices=1,
        documents_stream_usage=True,
        # Unasked, the last chunk tells it as well.
        usage_parent="x_groq",
        # "API Error Codes and Responses": 400 where it could not read what the model wrote.
        failed_generation=FailedGeneration(400, "tool_use_failed", "failed_generation"),
        has_responses=True,
        prefers_chat_for_tools=True,
    ),
)
