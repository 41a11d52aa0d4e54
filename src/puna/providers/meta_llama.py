"""Meta's Llama API, compatible endpoint, and whoever speaks like it.

Meta ended the hosted preview on 2026-07-06. The row stays: `LLAMA_API_BASE` or `api_base` points
its models at any host of Llama. Facts: Meta's Llama API client 0.6.0 and what hosts and clients
recorded of the compatible endpoint before that day.
"""

from __future__ import annotations

from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="meta_llama",
    base_url="https://api.llama.com/compat/v1",
    docs_url="https://llama.developer.meta.com/docs",
    base_url_variables=("LLAMA_API_BASE",),
    key_variables=("LLAMA_API_KEY",),
    # At any host: Llama's templates know no `developer`.
    quirks=Quirks(rename_roles={"developer": "system"}),
    # Of the closed service alone: another host decides for itself.
    own_quirks=Quirks(
        unsupported_params=frozenset(("reasoning_effort", "thinking", "verbosity")),
        # Only json_schema worked there, and an explicit null was refused.
        response_formats=frozenset(("json_schema",)),
        rename_roles={"developer": "system"},
        max_images=9,
        lacks_embeddings=True,
    ),
    retirement=(
        "Meta retired its hosted Llama API (api.llama.com) on 2026-07-06: set `api_base` or "
        "`LLAMA_API_BASE` to a host that serves Llama, use another provider, or use the embedded "
        "model `embedded/smollm2-135m`."
    ),
)
