"""DeepInfra. A stream's usage comes unasked, in the chunk with the finish reason.

Sources: its pages "OpenAI API" and "Function calling", the second as LiteLLM 1.106.2 applies it,
read 2026-11-26; variables as there.
"""

from __future__ import annotations

from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="deepinfra",
    base_url="https://api.deepinfra.com/v1/openai",
    docs_url="https://deepinfra.com/docs/openai_api",
    base_url_variables=("DEEPINFRA_API_BASE",),
    key_variables=("DEEPINFRA_API_KEY",),
    is_key_bound_to_host=True,
    quirks=Quirks(
        rename_params={"max_completion_tokens": "max_tokens"},
        tool_choices=frozenset(("auto", "none")),
    ),
)
