"""LiteLLM's home of `get_supported_openai_params`."""

from __future__ import annotations

from litellm.utils import get_supported_openai_params

__all__ = ["get_supported_openai_params"]
