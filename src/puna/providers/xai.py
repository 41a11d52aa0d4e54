"""xAI.

Written from memory of its REST API reference, and not checked against it or the host
(2026-11-30); variables as in LiteLLM 1.106.2.
"""

from __future__ import annotations

from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="xai",
    base_url="https://api.x.ai/v1",
    docs_url="https://docs.x.ai/docs/api-reference",
    base_url_variables=("XAI_API_BASE",),
    key_variables=("XAI_API_KEY",),
    is_key_bound_to_host=True,
    bare_names=("grok-",),
    quirks=Quirks(documents_stream_usage=True, has_responses=True),
)
