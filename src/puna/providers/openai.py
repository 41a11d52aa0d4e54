"""OpenAI, and through `api_base` any server that speaks its chat completions."""

from __future__ import annotations

from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="openai",
    base_url="https://api.openai.com/v1",
    docs_url="https://platform.openai.com/docs/api-reference/chat",
    base_url_variables=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    key_variables=("OPENAI_API_KEY",),
    is_key_bound_to_host=True,
    quirks=Quirks(tells_stream_usage=True, has_moderations=True, has_responses=True),
)
