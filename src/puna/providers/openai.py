"""OpenAI, and through `api_base` any server that speaks its chat completions."""

from __future__ import annotations

from dataclasses import replace

from puna.bridges.histories.rules import OPENAI
from puna.dialects.quirks import HINTS, Quirks
from puna.providers.base import Provider

_ANY_HOST = Quirks(documents_stream_usage=True, has_moderations=True, has_responses=True)

PROVIDER = Provider(
    name="openai",
    base_url="https://api.openai.com/v1",
    docs_url="https://platform.openai.com/docs/api-reference/chat",
    base_url_variables=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    key_variables=("OPENAI_API_KEY",),
    is_key_bound_to_host=True,
    bare_names=(
        "chatgpt-",
        "codex-",
        "computer-use-",
        "ft:",
        "gpt-",
        "o1",
        "o3",
        "o4",
        "omni-moderation-",
        "text-embedding-3-",
        "text-embedding-ada-",
        "text-moderation-",
    ),
    quirks=_ANY_HOST,
    own_quirks=replace(_ANY_HOST, messages=OPENAI, known_hints=HINTS),
)
