"""A host of Anthropic's API behind a gateway: what it is asked and what it answers."""

from __future__ import annotations

import json
from typing import Any

from tests.support.asgi import MODEL
from tests.support.upstream import Reply

KEY = "sk-ant-canary-1234567890"
CLAUDE = "claude-opus-5-5"
CONFIG = f"""
model_list:
  - model_name: {CLAUDE}
    litellm_params:
      model: anthropic/{CLAUDE}
      api_key: {KEY}
      api_base: UPSTREAM
  - model_name: {MODEL}
    litellm_params:
      model: {MODEL}
      api_key: k
      api_base: UPSTREAM
"""

EPHEMERAL = {"cache_control": {"type": "ephemeral"}}
TOOL = {"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}
HI: Any = [{"role": "user", "content": "hi"}]
THOUGHT = {"type": "thinking", "thinking": 'Sign here: é \\ "', "signature": "EqQB/+=="}
HIDDEN = {"type": "redacted_thinking", "data": "EmwKAhgB+/=="}
LATER = {"type": "thinking", "thinking": "", "signature": "TGF0ZXI="}
CONTENT: list[dict[str, Any]] = [
    THOUGHT,
    HIDDEN,
    {"type": "text", "text": "Looking."},
    {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Aas"}},
    LATER,
    {"type": "tool_use", "id": "toolu_2", "name": "get_weather", "input": {}},
]
USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 20,
    "cache_read_input_tokens": 30,
    "cache_creation": {"ephemeral_5m_input_tokens": 15, "ephemeral_1h_input_tokens": 5},
    "output_tokens": 4,
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": CLAUDE,
    "content": CONTENT,
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": USAGE,
}
ASK: dict[str, Any] = {
    "model": CLAUDE,
    "max_tokens": 64,
    "system": [
        {"type": "text", "text": "Be careful."},
        {"type": "text", "text": "Go.", **EPHEMERAL},
    ],
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", **EPHEMERAL}]}],
    "tools": [{**TOOL, "strict": True, **EPHEMERAL}],
    "thinking": {"type": "adaptive"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "output_config": {"effort": "medium"},
}
SESSION = {
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "claude-code-20250219, context-management-2025-06-27, Bad Name",
}


def events() -> list[dict[str, Any]]:
    """The events of `MESSAGE`."""
    made: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
        {"type": "ping"},
    ]
    for index, block in enumerate(CONTENT):
        deltas: list[dict[str, Any]] = []
        empty = dict(block)
        if block["type"] == "thinking":
            empty = {"type": "thinking", "thinking": "", "signature": ""}
            thought = block["thinking"]
            deltas += [{"type": "thinking_delta", "thinking": thought}] if thought else []
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        elif block["type"] == "text":
            empty = {**block, "text": ""}
            deltas += [{"type": "text_delta", "text": block["text"]}]
        elif block["type"] == "tool_use":
            empty = {**block, "input": {}}
            text = json.dumps(block["input"])
            deltas += [{"type": "input_json_delta", "partial_json": text}]
        made.append({"type": "content_block_start", "index": index, "content_block": empty})
        made += [
            {"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas
        ]
        made.append({"type": "content_block_stop", "index": index})
    stop = {"stop_reason": "tool_use", "stop_sequence": None}
    return [
        *made,
        {"type": "message_delta", "delta": stop, "usage": USAGE},
        {"type": "message_stop"},
    ]


def frame(event: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode())


def streamed(*made: dict[str, Any]) -> Reply:
    return Reply.sse(*map(frame, made or events()), is_done=False)
