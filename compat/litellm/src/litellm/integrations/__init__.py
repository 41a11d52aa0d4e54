"""Listeners of calls."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name != "custom_logger":
        raise AttributeError(f"module 'litellm.integrations' has no attribute {name!r}")
    from importlib import import_module

    return import_module("litellm.integrations.custom_logger")
