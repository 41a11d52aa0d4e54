"""A llamafile's server.

Source: its README as LiteLLM 1.106.2 cites it, and that version's variables, read 2026-11-26.
"""

from __future__ import annotations

from puna.bridges.histories.rules import SELF_HOSTED
from puna.dialects.quirks import Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="llamafile",
    base_url="http://127.0.0.1:8080/v1",
    docs_url="https://github.com/Mozilla-Ocho/llamafile/blob/main/README.md",
    base_url_variables=("LLAMAFILE_API_BASE",),
    key_variables=("LLAMAFILE_API_KEY",),
    needs_key=False,
    is_self_hosted=True,
    quirks=Quirks(
        messages=SELF_HOSTED,
    ),
)
