"""A session of Claude Code through the gateway."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.asgi import MODEL, House
from tests.support.gateway_messages import KEY, VERSION, events_in
from tests.support.upstream import ENVELOPE, TEXT, Reply, Upstream, text_chunks

# Claude Code


SESSION = {
    **VERSION,
    "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14",
    "authorization": f"Bearer {KEY}",
    "user-agent": "claude-cli/2.1.0 (external, cli)",
    "x-app": "cli",
    "x-claude-code-session-id": "5f0e",
}
EPHEMERAL = {"cache_control": {"type": "ephemeral"}}


def code_request(*turns: dict[str, Any]) -> dict[str, Any]:
    """A request in the shape that Claude Code's documentation and its users' captures show."""
    return {
        "model": MODEL,
        "max_tokens": 32_000,
        "system": [
            {"type": "text", "text": "You are a coding assistant."},
            {"type": "text", "text": "The folder is /project.", **EPHEMERAL},
        ],
        "tools": [
            {
                "name": name,
                "description": f"Use {name}.",
                "input_schema": {
                    "$schema": "https://json-schema.org/draft/2020-12/schema",
                    "type": "object",
                    "properties": {"file_path": {"type": "string"}},
                    "required": ["file_path"],
                    "additionalProperties": False,
                },
            }
            for name in ("Read", "Write")
        ],
        "messages": list(turns),
        "metadata": {"user_id": "user_0f_account__session_5f0e"},
        "thinking": {"type": "adaptive"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "medium"},
        "stream": True,
    }


@pytest.mark.case(125)
def test_a_session_of_claude_code(upstream: Upstream) -> None:
    house = House(upstream, master_key=KEY)
    asked = {
        "role": "user",
        "content": [
            {"type": "text", "text": "<system-reminder>Be careful.</system-reminder>"},
            {"type": "text", "text": "What is in a.txt and b.txt?", **EPHEMERAL},
        ],
    }
    calls = [
        {"index": i, "id": f"call_{i}", "function": {"name": "Read", "arguments": arguments}}
        for i, arguments in enumerate(('{"file_path":"a.txt"}', '{"file_path":"b.txt"}'))
    ]
    both = {**ENVELOPE, "choices": [{"index": 0, "delta": {"tool_calls": calls}}]}
    last = {**ENVELOPE, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    upstream.plays(Reply.sse(*text_chunks()[:-1], both, last))

    first = house.ask("/v1/messages?beta=true", code_request(asked), SESSION)

    events = events_in(first)
    blocks = [e["content_block"] for e in events if e["type"] == "content_block_start"]
    assert [block["type"] for block in blocks] == ["text", "tool_use", "tool_use"]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"
    assert first.headers["x-puna-dropped-params"] == (
        "cache_control,output_config.effort,thinking,context_management"
    )
    sent = upstream.requests[0].json
    assert set(sent) == {"model", "messages", "max_tokens", "tools", "user", "stream"}
    assert "cache_control" not in json.dumps(sent)

    told = {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Read both.", "signature": ""},
            {"type": "text", "text": TEXT},
            *(
                {**block, "input": {"file_path": name}}
                for block, name in zip(blocks[1:], ("a.txt", "b.txt"), strict=True)
            ),
        ],
    }
    results = {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "call_0", "content": "1\tone"},
            {
                "type": "tool_result",
                "tool_use_id": "call_1",
                "content": "<error>no such file</error>",
                "is_error": True,
                **EPHEMERAL,
            },
            {"type": "text", "text": "<system-reminder>Go on.</system-reminder>"},
        ],
    }
    upstream.plays(Reply.text_stream("One file ", "is missing."))

    second = house.ask("/v1/messages?beta=true", code_request(asked, told, results), SESSION)

    said = [e["delta"]["text"] for e in events_in(second) if e["type"] == "content_block_delta"]
    assert "".join(said) == "One file is missing."
    roles = [message["role"] for message in upstream.requests[1].json["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "tool", "user"]
    answered = upstream.requests[1].json["messages"][3:5]
    assert [message["tool_call_id"] for message in answered] == ["call_0", "call_1"]
    assert answered[1]["content"].startswith("Error: ")

    counted = house.ask("/v1/messages/count_tokens?beta=true", code_request(asked), SESSION)
    assert counted.json["input_tokens"] > 50
