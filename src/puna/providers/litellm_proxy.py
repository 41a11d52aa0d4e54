"""A gateway that speaks LiteLLM's proxy protocol, ours included.

It tells a stream's usage when asked, but hands the question on to hosts that may refuse it. So it
is not asked unbidden: `documents_stream_usage` stays false.
"""

from __future__ import annotations

from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="litellm_proxy",
    base_url=None,
    docs_url="https://docs.litellm.ai/docs/providers/litellm_proxy",
    base_url_variables=("LITELLM_PROXY_API_BASE",),
    key_variables=("LITELLM_PROXY_API_KEY",),
    quirks=Quirks(has_moderations=True),
    needs_key=False,
)
