"""Messages requests whose answers pass by their bytes get what the full lane gives."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest
from tests.support import agent_traffic
from tests.support.agent_lanes import MODELS, ask_drawn
from tests.support.asgi import Answer
from tests.support.lane_pairs import OWN_HEADERS, same_ids

_MADE = re.compile(r"msg_[0-9a-zA-Z_-]+")
_BESIDE: dict[str, Any] = {
    "temperature": 0.5,
    "top_k": 4,
    "stop_sequences": ["x"],
    "metadata": {"user_id": "7b8e1234c95a298e1999"},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"effort": "high"},
    "timeout": 5,
    "context_management": {"edits": []},
}
_SYSTEMS: list[Any] = [
    "",
    "Be brief é.",
    [{"type": "text", "text": "Two"}, {"type": "text", "text": "parts", "cache_control": {}}],
]
_CHOICES = [
    {"type": "auto"},
    {"type": "any"},
    {"type": "none"},
    {"type": "auto", "disable_parallel_tool_use": True},
]


def blocks(content: Any, dice: random.Random) -> list[dict[str, Any]]:
    """A chat message's content in the Messages API's words."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    made: list[dict[str, Any]] = []
    for part in content or []:
        if part["type"] == "text" and "text" in part:
            hint = {"cache_control": {"type": "ephemeral"}} if dice.random() < 0.1 else {}
            made.append({"type": "text", "text": part["text"], **hint})
        elif part["type"] == "image_url":
            source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
            made.append({"type": "image", "source": source})
    return made


def turn(message: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """A chat message as a turn; a tool's result is the user's."""
    content = message.get("content")
    if message["role"] == "tool":
        said = content if isinstance(content, str) else blocks(content, dice)
        result = {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": said}
        return {"role": "user", "content": [result]}
    said = blocks(content, dice)
    for call in message.get("tool_calls", ()):
        try:
            given = json.loads(call["function"]["arguments"])
        except ValueError:
            given = {}
        name, made = call["function"]["name"], given if isinstance(given, dict) else {}
        said.append({"type": "tool_use", "id": call["id"], "name": name, "input": made})
    return {"role": message["role"], "content": said}


def request(dice: random.Random) -> dict[str, Any]:
    chat = agent_traffic.request(dice, MODELS)
    made: dict[str, Any] = {"model": chat["model"], "max_tokens": 100, "messages": []}
    for message in chat["messages"]:
        if message["role"] == "system":
            made["system"] = blocks(message["content"], dice)
        elif message["role"] in ("user", "assistant", "tool"):
            made["messages"].append(turn(message, dice))
            if dice.random() < 0.05:
                made["messages"].append({"role": "system", "content": dice.choice(_SYSTEMS)})
    if "tools" in chat:
        functions = [tool["function"] for tool in chat["tools"] if "function" in tool]
        made["tools"] = [
            {"name": one["name"], "input_schema": one.get("parameters") or {"type": "object"}}
            for one in functions
        ]
        for tool in made["tools"]:
            if dice.random() < 0.05:
                tool["defer_loading"] = dice.choice([True, False, None])
        if dice.random() < 0.2:
            made["tool_choice"] = dice.choice(_CHOICES)
    if chat.get("stream"):
        made["stream"] = True
    return made | {name: value for name, value in _BESIDE.items() if dice.random() < 0.1}


def told(answer: Answer) -> Any:
    """An answer, its texts joined however they were cut."""
    headers = {name: value for name, value in answer.headers.items() if name not in OWN_HEADERS}
    if answer.headers.get("content-type") != "text/event-stream":
        return answer.status, headers, _MADE.sub("ID", same_ids(answer.text))
    said: dict[int, list[Any]] = {}
    others: list[Any] = []
    for event in filter(None, _MADE.sub("ID", same_ids(answer.text)).split("\n\n")):
        name, _, data = event.partition("\n")
        value = json.loads(data.removeprefix("data: "))
        assert name == f"event: {value['type']}"
        match value["type"]:
            case "content_block_start":
                said[value["index"]] = [value["content_block"], ""]
            case "content_block_delta":
                delta = value["delta"]
                said[value["index"]][1] += "".join(v for k, v in delta.items() if k != "type")
            case "content_block_stop":
                said[value["index"]].append("stop")
            case _:
                others.append(value)
    return answer.status, headers, said, others


@pytest.mark.parametrize("has_hooks", [True, False], ids=["hooks", "no-hooks"])
@pytest.mark.parametrize("part", range(3))
def test_messages_get_the_same_from_both_readers(part: int, *, has_hooks: bool) -> None:
    seeds = range(part * 400, part * 400 + 400)
    seen = ask_drawn(request, seeds, path="/v1/messages", view=told, has_hooks=has_hooks)
    lanes = [lane for _, lane in seen]
    assert lanes.count("fast") > 200
    assert lanes.count("full") > 15
