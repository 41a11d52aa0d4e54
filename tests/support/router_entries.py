"""Entries of a model list for LiteLLM's `Router`."""

from __future__ import annotations

from typing import Any

from tests.support.upstream import Upstream

HI = [{"role": "user", "content": "hi"}]


def entry(name: str, host: Upstream | None = None, **params: Any) -> dict[str, Any]:
    place = {"api_base": host.url} if host is not None else {}
    return {
        "model_name": name,
        "litellm_params": {"model": f"openai/{name}-up", "api_key": "k", **place, **params},
    }


KEYLESS = {"model_name": "a", "litellm_params": {"model": "groq/llama-3.3-70b-versatile"}}
