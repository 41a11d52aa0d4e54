"""Answers as vLLM 0.11 and later write them, byte for byte: whole, and an event at a time.

The fields and their order are those of `ChatCompletionResponse` and `ChatCompletionStreamResponse`
in vLLM's `entrypoints/openai/protocol.py`; a whole answer names all of them, an event only what was
set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

DONE = b"data: [DONE]\n\n"

_ID = "chatcmpl-8b29171c942b10658c2b4d9a1f0e6d37"
_MODEL = "meta-llama/Llama-3.3-70B-Instruct"
_CREATED = 1_766_068_536

Message = Mapping[str, Any]


def whole(message: Message, finish_reason: str, usage: Mapping[str, Any]) -> bytes:
    """The body of an answer that is not streamed; `message` has what the model said."""
    nulls = dict.fromkeys(("refusal", "annotations", "audio", "function_call"))
    choice = {
        "index": 0,
        "message": {
            "role": "assistant",
            "content": None,
            **nulls,
            "tool_calls": [],
            "reasoning_content": None,
            **message,
        },
        "logprobs": None,
        "finish_reason": finish_reason,
        "stop_reason": None,
        "token_ids": None,
    }
    return _json(
        {
            **_envelope("chat.completion"),
            "choices": [choice],
            "service_tier": None,
            "system_fingerprint": None,
            "usage": {**usage, "prompt_tokens_details": None},
            "prompt_logprobs": None,
            "prompt_token_ids": None,
            "kv_transfer_params": None,
        }
    )


def text_events(texts: Sequence[str]) -> list[bytes]:
    """A chunk for each text."""
    return [_event({"content": text}) for text in texts]


def call_events(call_id: str, name: str, arguments: Sequence[str]) -> list[bytes]:
    """The chunk that names a tool call, then one for each piece of its arguments."""
    head = {"id": call_id, "type": "function", "index": 0, "function": {"name": name}}
    pieces = [{"index": 0, "function": {"arguments": piece}} for piece in arguments]
    return [_event({"tool_calls": [call]}) for call in (head, *pieces)]


def role_event() -> bytes:
    """The chunk that begins a stream."""
    return _event({"role": "assistant", "content": ""}, prompt_token_ids=None)


def end_event(finish_reason: str) -> bytes:
    """The chunk that ends the choice."""
    choice = {"finish_reason": finish_reason, "stop_reason": None, "token_ids": None}
    return _event({"content": ""}, choice)


def usage_event(usage: Mapping[str, Any]) -> bytes:
    """The chunk with the usage, which comes after the end where the request asks for it."""
    return _data({**_envelope("chat.completion.chunk"), "choices": [], "usage": usage})


def _event(
    delta: Mapping[str, Any], choice: Mapping[str, Any] | None = None, **fields: Any
) -> bytes:
    whole_choice = {
        "index": 0,
        "delta": delta,
        "logprobs": None,
        **(choice or {"finish_reason": None, "token_ids": None}),
    }
    return _data({**_envelope("chat.completion.chunk"), "choices": [whole_choice], **fields})


def _envelope(kind: str) -> dict[str, Any]:
    return {"id": _ID, "object": kind, "created": _CREATED, "model": _MODEL}


def _data(value: Any) -> bytes:
    return b"data: %b\n\n" % _json(value)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
