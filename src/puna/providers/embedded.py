"""The model that runs inside: no key, no network.

`embedded/smollm2-135m` is a Llama-architecture model of demo quality; `embedded//path/to.gguf` is
any GGUF file. Facts: docs/decisions/0003-embedded-model.md.
"""

from __future__ import annotations

from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

_IMPOSSIBLE = frozenset((
    "audio", "dimensions", "function_call", "functions", "modalities", "prediction",
    "reasoning_effort", "thinking", "verbosity", "web_search_options",
))  # fmt: skip

_WITHOUT_EFFECT = frozenset((
    "metadata", "parallel_tool_calls", "prompt_cache_key", "prompt_cache_retention",
    "safety_identifier", "service_tier", "store", "user",
))  # fmt: skip
"""One call an answer is all there is; the others are about accounts, caches and queues."""

_SAMPLING = frozenset(("min_p", "repeat_penalty", "repetition_penalty", "top_k", "typical_p"))
"""A closed list: llama.cpp's server knows fields that could stop it for everybody."""

PROVIDER = Provider(
    name="embedded",
    base_url="embedded://local",
    docs_url="docs/guides/embedded-model.md",
    dialect="embedded_chat",
    quirks=Quirks(
        unsupported_params=_IMPOSSIBLE,
        ignored_params=_WITHOUT_EFFECT,
        extra_params=_SAMPLING,
        response_formats=frozenset(("json_object", "json_schema", "text")),
        rename_roles={"developer": "system"},
        max_images=None,
    ),
    needs_key=False,
)
