"""LiteLLM's home of `get_supported_openai_params`."""

from __future__ import annotations

from litellm.released import getattr_of
from litellm.utils import get_supported_openai_params

__all__ = ["get_supported_openai_params"]

__getattr__ = getattr_of(__name__)
