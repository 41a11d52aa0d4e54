"""A chat in the shape of the Messages API comes back as it was."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from tests.support.chats import conversations
from tests.support.messages_requests import PNG, plain

from puna.bridges.messages.request import read_messages_request

# The law: chat, to Anthropic's shape, and back


def as_messages(chat: list[dict[str, Any]]) -> dict[str, Any]:
    """A chat in Anthropic's shape: a turn holds the results and the text that follow each other."""
    body: dict[str, Any] = {"max_tokens": 1, "messages": []}
    for message in chat:
        role = message["role"]
        if role == "system":
            body["system"] = message["content"]
            continue
        blocks = as_blocks(message)
        is_same_turn = role == "user" and body["messages"] and body["messages"][-1]["role"] == role
        if is_same_turn or (role == "tool" and body["messages"][-1]["role"] == "user"):
            body["messages"][-1]["content"] += blocks
        else:
            body["messages"].append({"role": "user" if role == "tool" else role, "content": blocks})
    return body


def as_blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    if message["role"] == "tool":
        return [
            {
                "type": "tool_result",
                "tool_use_id": message["tool_call_id"],
                "content": message["content"],
            }
        ]
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    blocks = [part if part["type"] == "text" else as_image(part) for part in parts]
    return blocks + [
        {
            "type": "tool_use",
            "id": call["id"],
            "name": call["function"]["name"],
            "input": json.loads(call["function"]["arguments"]),
        }
        for call in message.get("tool_calls", [])
    ]


def as_image(part: dict[str, Any]) -> dict[str, Any]:
    url = part["image_url"]["url"]
    return {"type": "image", "source": PNG if url.startswith("data:") else
            {"type": "url", "url": url}}  # fmt: skip


@given(conversations())
def test_a_chat_in_anthropics_shape_comes_back_as_it_was(chat: list[dict[str, Any]]) -> None:
    messages, left_out = plain(read_messages_request(as_messages(chat)))
    assert messages == [as_read(message) for message in chat]
    assert left_out == ()


def as_read(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if value is not None}
