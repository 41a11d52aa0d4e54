"""Fireworks AI.

Source: its reference of chat completions as LiteLLM 1.106.2 applies it, and that version's
variables, read 2026-11-26.
"""

from __future__ import annotations

from puna.bridges.histories.rules import SELF_HOSTED
from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="fireworks_ai",
    base_url="https://api.fireworks.ai/inference/v1",
    docs_url="https://docs.fireworks.ai/api-reference/post-chatcompletions",
    base_url_variables=("FIREWORKS_API_BASE",),
    key_variables=(
        "FIREWORKS_API_KEY",
        "FIREWORKS_AI_API_KEY",
        "FIREWORKSAI_API_KEY",
        "FIREWORKS_AI_TOKEN",
    ),
    is_key_bound_to_host=True,
    model_prefix="accounts/fireworks/models/",
    quirks=Quirks(
        # `reasoning_content` of earlier turns: its page "Reasoning".
        messages=SELF_HOSTED,
        rename_params={"max_completion_tokens": "max_tokens"},
        documents_stream_usage=True,
        # `POST /completions`, as LiteLLM 1.106.2 asks it.
        has_completions=True,
    ),
)
