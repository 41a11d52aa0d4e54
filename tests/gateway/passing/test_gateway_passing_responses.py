"""Responses requests that pass by their bytes get what the full lane gives."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.support import agent_traffic
from tests.support.agent_lanes import MODELS, ask_drawn
from tests.support.response_views import told

_BESIDE: dict[str, list[Any]] = {
    "temperature": [0.5, None, "hot"],
    "max_output_tokens": [60, None],
    "metadata": [{"a": "b"}, None],
    "parallel_tool_calls": [True, False],
    "reasoning": [{"effort": "low"}],
    "text": [{"format": {"type": "json_object"}}, {"verbosity": "low"}],
    "store": [False, True],
    "previous_response_id": ["resp_unknown"],
    "include": [["reasoning.encrypted_content"]],
    "tool_choice": ["auto", "none", "required", {"type": "function", "name": "get"}],
    "top_k": [4],
    "instructions": ["Be brief.", None],
}


def parts(content: Any, kind: str) -> Any:
    """A chat message's content in the words of the Responses API."""
    if content is None or isinstance(content, str):
        return content or ""
    made: list[dict[str, Any]] = []
    for part in content:
        if part["type"] == "text" and "text" in part:
            made.append({"type": kind, "text": part["text"]})
        elif part["type"] == "image_url":
            made.append({"type": "input_image", "image_url": part["image_url"]["url"]})
    return made


def items(message: dict[str, Any]) -> list[dict[str, Any]]:
    """A chat message as items."""
    role, content = message["role"], message.get("content")
    if role == "tool":
        output = content if isinstance(content, str) else parts(content, "input_text")
        call_id = message["tool_call_id"]
        return [{"type": "function_call_output", "call_id": call_id, "output": output}]
    kind = "output_text" if role == "assistant" else "input_text"
    made: list[dict[str, Any]] = []
    if content:
        made.append({"type": "message", "role": role, "content": parts(content, kind)})
    calls = message.get("tool_calls", ())
    return made + [{"type": "function_call", "call_id": c["id"], **c["function"]} for c in calls]


def request(dice: random.Random) -> dict[str, Any]:
    chat = agent_traffic.request(dice, MODELS)
    given = [item for message in chat["messages"] for item in items(message)]
    made: dict[str, Any] = {"model": chat["model"], "input": given}
    if len(given) == 1 and isinstance(given[0].get("content"), str):
        made["input"] = given[0]["content"]
    if "tools" in chat:
        functions = [tool["function"] for tool in chat["tools"] if "function" in tool]
        made["tools"] = [{"type": "function", **one} for one in functions]
    if chat.get("stream"):
        made["stream"] = True
    return made | {
        name: dice.choice(some) for name, some in _BESIDE.items() if dice.random() < 0.08
    }


@pytest.mark.parametrize("has_hooks", [True, False], ids=["hooks", "no-hooks"])
@pytest.mark.parametrize("part", range(3))
def test_responses_get_the_same_from_both_readers(part: int, *, has_hooks: bool) -> None:
    seeds = range(part * 400, part * 400 + 400)
    seen = ask_drawn(request, seeds, path="/v1/responses", view=told, has_hooks=has_hooks)
    lanes, statuses = [lane for _, lane in seen], [status for status, _ in seen]
    assert lanes.count("fast") > 80
    assert lanes.count("full") > 15
    assert statuses.count(400) > 15
