"""The model that runs inside: no key, no network.

`embedded/smollm2-135m` is a Llama-architecture model of demo quality; `embedded//path/to.gguf` is
any GGUF file. Facts: docs/decisions/0003-embedded-model.md.
"""

from __future__ import annotations

from puna.dialects.base import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="embedded",
    base_url="embedded://local",
    docs_url="docs/guides/embedded-model.md",
    dialect="embedded_chat",
    quirks=Quirks(
        unsupported_params=frozenset(("reasoning_effort", "thinking", "verbosity")),
        rename_roles={"developer": "system"},
        max_images=None,
    ),
    needs_key=False,
)
