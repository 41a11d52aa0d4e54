"""Rows whose own service's limits hold at every address: a host that lacks what Meta's lacked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from puna.providers.base import Provider
from puna.providers.table import PROVIDERS

_LLAMA = PROVIDERS["meta_llama"]
assert _LLAMA.own_quirks is not None

STRICT: Mapping[str, Provider] = {
    **PROVIDERS,
    _LLAMA.name: replace(_LLAMA, quirks=_LLAMA.own_quirks),
}
