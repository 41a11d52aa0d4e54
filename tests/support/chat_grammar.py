"""The grammar of conversations: what every host of a protocol wants of the messages it is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from puna.bridges.histories.rules import MessageRules

Body = Mapping[str, Any]

_WORD = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def check_chat(messages: Sequence[Body], rules: MessageRules) -> None:
    """OpenAI's chat: each call is answered directly behind it, once; ids fit; contents say much."""
    ids: set[str] = set()
    waiting: list[str] = []
    for place, message in enumerate(messages):
        role, content = message["role"], message.get("content")
        if role == "tool":
            assert message["tool_call_id"] in waiting, (place, "a result of no call before it")
            waiting.remove(message["tool_call_id"])
            _check_result(content, rules)
            continue
        assert not waiting, (place, "a message between a call and its result")
        if rules.systems == "first" and role == "system":
            assert place == 0, (place, "a second message with instructions")
        assert rules.accepts_developer or role != "developer"
        if role == "assistant":
            waiting = [_check_call(call, ids, rules) for call in message.get("tool_calls", ())]
            assert content or waiting or message.get("refusal") or has_thoughts(message)
        if not rules.accepts_text_parts and isinstance(content, list):
            assert any(part["type"] != "text" or part.keys() != TEXT for part in content)
    assert not waiting, "calls without results at the end"


TEXT = {"type", "text"}


def has_thoughts(message: Body) -> bool:
    """Whether a message has a field with thoughts."""
    names = ("reasoning_content", "reasoning", "reasoning_details", "thinking")
    return any(message.get(name) for name in names)


def check_turns_of_messages(messages: Sequence[Body]) -> None:
    """Anthropic's Messages: results lead the turn after their calls; ids and texts fit."""
    ids: set[str] = set()
    waiting: set[str] = set()
    for place, turn in enumerate(messages):
        content = turn["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        assert blocks, (place, "an empty turn")
        results = [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"]
        assert set(results) == waiting, (place, results, waiting)
        assert len(results) == len(waiting)
        assert [b["type"] for b in blocks[: len(results)]] == ["tool_result"] * len(results)
        waiting = set()
        for block in blocks:
            assert block["type"] != "text" or block["text"].strip(), (place, "a blank text")
            if block["type"] == "tool_use":
                assert turn["role"] == "assistant"
                assert _WORD.fullmatch(block["id"])
                assert block["id"] not in ids
                assert isinstance(block["input"], dict)
                ids.add(block["id"])
                waiting.add(block["id"])
    assert not waiting, "calls without results at the end"


def check_turns_of_converse(messages: Sequence[Body]) -> None:
    """Bedrock's Converse: the same, and roles take turns."""
    ids: set[str] = set()
    waiting: set[str] = set()
    for place, turn in enumerate(messages):
        assert place == 0 or messages[place - 1]["role"] != turn["role"]
        results = [b["toolResult"] for b in turn["content"] if "toolResult" in b]
        assert {one["toolUseId"] for one in results} == waiting
        assert len(results) == len(waiting)
        waiting = set()
        for block in (*turn["content"], *(b for one in results for b in one["content"])):
            assert "text" not in block or block["text"].strip(), (place, "a blank text")
            if "toolUse" in block:
                call = block["toolUse"]
                assert _WORD.fullmatch(call["toolUseId"])
                assert call["toolUseId"] not in ids
                assert isinstance(call["input"], dict)
                ids.add(call["toolUseId"])
                waiting.add(call["toolUseId"])
    assert not waiting, "calls without results at the end"


def _check_call(call: Body, ids: set[str], rules: MessageRules) -> str:
    call_id: str = call["id"]
    assert rules.call_ids.accepts(call_id), call_id
    assert call_id not in ids, (call_id, "two calls have one id")
    ids.add(call_id)
    arguments = call["function"]["arguments"]
    if isinstance(arguments, str) and not rules.accepts_any_arguments:
        assert isinstance(json.loads(arguments), dict)
    elif not isinstance(arguments, str):  # Ollama's own protocol
        assert isinstance(arguments, dict)
    return call_id


def _check_result(content: Any, rules: MessageRules) -> None:
    if isinstance(content, list) and not rules.reads_result_images:
        assert all(part["type"] == "text" for part in content)
    if rules.refuses_blanks:
        assert content
