"""SGLang's server.

Sources: its page "OpenAI APIs - Completions"; public clients and tests of it (address, stream
options), read 2026-11-30. LiteLLM has no such prefix; the variables are named in its manner.
"""

from __future__ import annotations

from puna.bridges.histories.rules import SELF_HOSTED
from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="sglang",
    base_url="http://localhost:30000/v1",
    docs_url="https://docs.sglang.ai/basic_usage/openai_api_completions.html",
    base_url_variables=("SGLANG_API_BASE",),
    key_variables=("SGLANG_API_KEY",),
    needs_key=False,
    is_self_hosted=True,
    quirks=Quirks(messages=SELF_HOSTED, documents_stream_usage=True, has_completions=True),
)
