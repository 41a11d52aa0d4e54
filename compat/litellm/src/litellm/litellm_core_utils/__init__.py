"""Modules whose LiteLLM paths importers use."""

from __future__ import annotations

from typing import Any

_MODULES = ("get_llm_provider_logic", "get_supported_openai_params", "streaming_handler")


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'litellm.litellm_core_utils' has no attribute {name!r}")
    from importlib import import_module

    return import_module(f"litellm.litellm_core_utils.{name}")
