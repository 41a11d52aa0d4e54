"""LiteLLM's home of `get_llm_provider`."""

from __future__ import annotations

from litellm.released import getattr_of
from litellm.utils import get_llm_provider

__all__ = ["get_llm_provider"]

__getattr__ = getattr_of(__name__)
