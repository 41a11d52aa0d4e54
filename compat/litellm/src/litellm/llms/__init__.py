"""Hosts, as LiteLLM sorts them. Only hosts of the caller's own (`custom_llm`) have code here."""

from __future__ import annotations

from litellm.released import getattr_of

__getattr__ = getattr_of(__name__)
