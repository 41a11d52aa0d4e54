"""llama.cpp's server.

Source: `tools/server/README.md` of its repository, read 2026-11-26. LiteLLM has no such prefix; the
variables are named in its manner.
"""

from __future__ import annotations

from puna.bridges.histories.rules import SELF_HOSTED
from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="llama_cpp",
    base_url="http://localhost:8080/v1",
    docs_url="https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
    base_url_variables=("LLAMA_CPP_API_BASE",),
    key_variables=("LLAMA_CPP_API_KEY",),
    needs_key=False,
    is_self_hosted=True,
    quirks=Quirks(
        messages=SELF_HOSTED,
    ),
)
