"""Meta Model API, the successor of the hosted Llama API. It serves Muse models, not Llama.

Sources: LiteLLM 1.106.2 (address, `META_API_KEY`), promptfoo's page on it, and probes of September
2026 recorded in inspect_ai's pull request 5233; read 2026-11-22. The Responses API: the pages on it
of LiteLLM and of the AI SDK, read 2026-11-26. `META_MODEL_API_KEY`: LiteLLM 1.110.2, read
2026-11-30.
"""

from __future__ import annotations

from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="meta",
    base_url="https://api.meta.ai/v1",
    docs_url="https://docs.litellm.ai/docs/providers/meta",
    base_url_variables=("META_API_BASE",),
    key_variables=("META_API_KEY", "MODEL_API_KEY", "META_MODEL_API_KEY"),
    is_key_bound_to_host=True,
    quirks=Quirks(
        # Each was answered with a 400.
        unsupported_params=frozenset(("logit_bias", "logprobs", "stop", "top_logprobs")),
        max_choices=1,
        tool_choices=frozenset(("auto",)),
        has_responses=True,
        # Seen in production by experiential, 15 September and 17 October 2026: streams that end by
        # themselves tell their usage, those that reach `max_tokens` say `stop` and tell none.
        documents_stream_usage=True,
        omits_usage_at_cap=True,
    ),
)
