"""vLLM's server.

Sources: its page "OpenAI-Compatible Server" (also on the Responses API) and the stream options of
its request types, read 2026-11-26; variables as in LiteLLM 1.106.2.
"""

from __future__ import annotations

from puna.bridges.histories.rules import SELF_HOSTED
from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="hosted_vllm",
    base_url="http://localhost:8000/v1",
    docs_url="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
    base_url_variables=("HOSTED_VLLM_API_BASE",),
    key_variables=("HOSTED_VLLM_API_KEY",),
    needs_key=False,
    is_self_hosted=True,
    quirks=Quirks(
        messages=SELF_HOSTED,
        documents_stream_usage=True,
        has_responses=True,
        # Its page "OpenAI-Compatible Server", section "Completions API".
        has_completions=True,
        prefers_chat_for_tools=True,
    ),
)
