"""LiteLLM's types, under its module names."""

from __future__ import annotations

from typing import Any

_MODULES = ("llms", "router", "utils")


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'litellm.types' has no attribute {name!r}")
    from importlib import import_module

    return import_module(f"litellm.types.{name}")
