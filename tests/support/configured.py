"""Chats with the models of a configuration, and what its hosts were asked."""

from __future__ import annotations

from tests.support.asgi import CHAT
from tests.support.upstream import Upstream

SEED = """
model_list:
  - model_name: meta_llama/Llama-3.3-70B-Instruct
    litellm_params:
      model: meta_llama/Llama-3.3-70B-Instruct
      api_key: os.environ/LLAMA_API_KEY

  - model_name: meta_llama/Llama-3.3-8B-Instruct
    litellm_params:
      model: meta_llama/Llama-3.3-8B-Instruct
      api_key: os.environ/LLAMA_API_KEY
"""
TWO = """
model_list:
  - {model_name: a, litellm_params: {model: meta_llama/a, api_key: k, api_base: UPSTREAM}}
  - {model_name: b, litellm_params: {model: meta_llama/b, api_key: k, api_base: UPSTREAM}}
"""
A = {**CHAT, "model": "a"}
M = {**CHAT, "model": "m"}


def asked(upstream: Upstream) -> list[str]:
    """The upstream models in the order of their requests."""
    return [request.json["model"] for request in upstream.requests]
