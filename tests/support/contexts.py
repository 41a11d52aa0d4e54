"""The values that a dialect needs beside the bytes, with defaults that suit most tests."""

from __future__ import annotations

from typing import Any

from puna.dialects.base import ReadContext, Target
from puna.types.requests import ChatRequest, make_chat_request
from puna.types.secret import Secret

KEY = "sk-canary/0123456789"
NOW = 1_750_000_000.0
HELLO = [{"role": "user", "content": "Hello"}]


def request_for(model: str = "meta_llama/m", **fields: Any) -> ChatRequest:
    """A checked request; `messages` and `stream` may be among the fields."""
    messages = fields.pop("messages", HELLO)
    stream = fields.pop("stream", False)
    return make_chat_request(model, messages, fields, stream=stream)


def target_for(**fields: Any) -> Target:
    """A target with a key that is a canary: it must not show up anywhere."""
    defaults: dict[str, Any] = {
        "provider": "meta_llama",
        "model": "m",
        "base_url": "http://up.test/v1",
        "api_key": Secret(KEY),
    }
    return Target(**{**defaults, **fields})


def context_for(
    *, target: Target | None = None, request: ChatRequest | None = None, now: float = NOW
) -> ReadContext:
    """What reading a reply needs to know."""
    return ReadContext(
        target=target or target_for(),
        model="meta_llama/m",
        made_id="chatcmpl-00000000000000000000000000000001",
        now=now,
        request=request or request_for(),
    )
