"""Responses requests with items of every usual kind get what the full lane gives."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.support import agent_traffic
from tests.support.agent_lanes import ask_drawn
from tests.support.lane_pairs import CONFIG
from tests.support.response_views import told

MODELS = ["public", "priced", "same", "falls", "wild/any"]
_BESIDE: dict[str, Any] = {
    "client_metadata": {"a": "b"},
    "include": ["reasoning.encrypted_content"],
    "instructions": "Be brief é.",
    "max_output_tokens": 100,
    "metadata": {"team": "search"},
    "parallel_tool_calls": False,
    "previous_response_id": None,
    "prompt_cache_key": "k",
    "reasoning": {"effort": "low", "summary": "auto"},
    "service_tier": "auto",
    "temperature": 0.5,
    "text": {"format": {"type": "text"}, "verbosity": "low"},
    "top_p": 0.9,
    "truncation": "auto",
    "user": "u",
    # For the full lane:
    "top_k": 4,
    "timeout": 5,
    "store": True,
}
_CHOICES = ["auto", "none", "required"]
_HOSTED = {"type": "web_search"}
_CUSTOM = {"type": "custom", "name": "apply_patch", "description": "Patches files."}


def content(given: Any, *, is_said: bool) -> Any:
    """A chat message's content in this API's words."""
    if not isinstance(given, list):
        return given
    made: list[dict[str, Any]] = []
    for part in given:
        if part["type"] == "text" and "text" in part:
            kind = "output_text" if is_said else "input_text"
            beside: dict[str, Any] = {"annotations": [], "logprobs": []} if is_said else {}
            made.append({"type": kind, "text": part["text"], **beside})
        elif part["type"] == "image_url":
            made.append({"type": "input_image", "image_url": part["image_url"]["url"]})
    return made


def items(message: dict[str, Any], dice: random.Random) -> list[dict[str, Any]]:
    """A chat message as items."""
    role = message["role"]
    if role == "tool":
        output = content(message.get("content"), is_said=False)
        return [
            {
                "type": "function_call_output",
                "call_id": message["tool_call_id"],
                "output": output,
            }
        ]
    made: list[dict[str, Any]] = []
    if dice.random() < 0.1 and role == "assistant":
        made.append({"type": "reasoning", "id": "rs_1", "summary": []})
    if message.get("content"):
        said = content(message["content"], is_said=role == "assistant")
        kind = {"type": "message"} if dice.random() < 0.5 else {}
        made.append({**kind, "role": role, "content": said})
    for call in message.get("tool_calls", ()):
        function = call["function"]
        made.append(
            {
                "type": "function_call",
                "id": "fc_1",
                "call_id": call["id"],
                "name": function["name"],
                "arguments": function["arguments"],
                "status": "completed",
            }
        )
    return made


def request(dice: random.Random) -> dict[str, Any]:
    chat = agent_traffic.request(dice, MODELS)
    told = [item for message in chat["messages"] for item in items(message, dice)]
    made: dict[str, Any] = {"model": chat["model"], "input": told or "hi é", "store": False}
    if dice.random() < 0.1:
        made["input"] = "two é\n"
    if "tools" in chat:
        functions = [tool["function"] for tool in chat["tools"] if "function" in tool]
        made["tools"] = [{"type": "function", **one} for one in functions]
        made["tools"] += [one for one in (_HOSTED, _CUSTOM) if dice.random() < 0.1]
        if dice.random() < 0.3:
            made["tool_choice"] = dice.choice(_CHOICES)
    if chat.get("stream"):
        made["stream"] = True
    return made | {name: value for name, value in _BESIDE.items() if dice.random() < 0.1}


@pytest.mark.parametrize("has_hooks", [True, False], ids=["hooks", "no-hooks"])
def test_items_of_every_kind_get_the_same_from_both_readers(*, has_hooks: bool) -> None:
    seen = ask_drawn(
        request,
        range(900),
        path="/v1/responses",
        view=told,
        has_hooks=has_hooks,
        config=CONFIG,
    )
    lanes = [lane for _, lane in seen]
    assert lanes.count("fast") > 360
    assert lanes.count("full") > 45
