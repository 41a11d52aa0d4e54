"""Google's Gemini API, over its OpenAI compatibility. Bare `gemini-…` names belong to it.

Written from memory of its page "OpenAI compatibility", and not checked against it or the host
(2026-11-30); variables as in LiteLLM 1.106.2. Vertex AI serves the same models to
`vertex_ai/google/…`.
"""

from __future__ import annotations

from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="gemini",
    base_url="https://generativelanguage.googleapis.com/v1beta/openai",
    docs_url="https://ai.google.dev/gemini-api/docs/openai",
    base_url_variables=("GEMINI_API_BASE",),
    key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    is_key_bound_to_host=True,
    bare_names=("gemini-", "gemma-3"),
    quirks=Quirks(documents_stream_usage=True),
)
