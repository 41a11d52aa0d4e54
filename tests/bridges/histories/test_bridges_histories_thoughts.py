"""Earlier reasoning goes back in the field that a host reads, or is named as left out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.contexts import HELLO
from tests.support.provider_suite import target_of
from tests.support.sent_histories import TARGETS, TOOLS, build

from puna.bridges.histories.rules import NO_THOUGHTS, REASONING_CONTENT, ThoughtRule
from puna.bridges.histories.thoughts import blocks_as_thoughts, fit_thoughts, has_thoughts
from puna.providers.base import resolve_target
from puna.providers.table import PROVIDERS
from puna.types.secret import Secret

SAID = {"role": "assistant", "content": "Oslo."}
CALLED = {"role": "assistant", "tool_calls": [{"id": "c"}]}
NEEDED = ThoughtRule(
    kept=frozenset(("reasoning_content",)), field="reasoning_content", is_needed=True
)


def fitted(message: dict[str, Any], rule: ThoughtRule) -> tuple[dict[str, Any], list[str]]:
    dropped: dict[str, None] = {}
    return fit_thoughts(message, rule, dropped), list(dropped)


@pytest.mark.parametrize(
    "thought",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"thinking": "hm"},
        {"reasoning": [{"text": "h"}, {"text": "m"}]},
        {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Oslo."}]},
    ],
)
def test_thoughts_get_the_name_under_which_the_host_reads_them(thought: dict[str, Any]) -> None:
    message, dropped = fitted({**SAID, **thought}, REASONING_CONTENT)
    assert message["reasoning_content"] == "hm"
    assert not dropped
    without, told = fitted({**SAID, **thought}, NO_THOUGHTS)
    assert not has_thoughts(without)
    assert len(told) == 1


def test_a_message_without_thoughts_stays_as_it_is() -> None:
    assert fitted(SAID, REASONING_CONTENT) == (SAID, [])
    assert fitted(CALLED, REASONING_CONTENT) == (CALLED, [])


def test_a_host_that_needs_the_field_beside_calls_gets_it_empty() -> None:
    assert fitted(CALLED, NEEDED) == ({**CALLED, "reasoning_content": ""}, [])
    assert fitted(SAID, NEEDED) == (SAID, [])


def test_blocks_become_a_text_and_a_signature_is_told_as_lost() -> None:
    dropped: dict[str, None] = {}
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "c2ln"}]
    message = blocks_as_thoughts({**SAID, "thinking_blocks": blocks}, REASONING_CONTENT, dropped)
    assert message == {**SAID, "reasoning_content": "hm"}
    assert list(dropped) == ["messages.thinking"]
    unsigned = {**SAID, "thinking_blocks": [{"type": "thinking", "thinking": "hm"}]}
    dropped.clear()
    assert blocks_as_thoughts(unsigned, REASONING_CONTENT, dropped)["reasoning_content"] == "hm"
    assert not dropped


THOUGHT: dict[str, Any] = {
    "role": "assistant",
    "content": "4",
    "reasoning_content": "2 and 2",
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
THINKING: list[dict[str, Any]] = [
    *HELLO,
    THOUGHT,
    {"role": "tool", "tool_call_id": "c1", "content": "ok"},
]


@pytest.mark.parametrize(
    ("name", "model", "field", "told"),
    [
        ("hosted_vllm", "m", "reasoning_content", ()),
        ("ollama", "m", "thinking", ()),
        ("openrouter", "m", "reasoning_content", ()),
        ("together_ai", "deepseek-v4", "reasoning_content", ()),
        ("groq", "openai/gpt-oss-120b", None, ("messages[].reasoning_content",)),
        ("cerebras", "gpt-oss-120b", None, ("messages[].reasoning_content",)),
        ("openai", "gpt-5", None, ("messages[].reasoning_content",)),
        ("anthropic", "m", None, ("messages[].reasoning_content",)),
        ("bedrock", "m", None, ("messages[].reasoning_content",)),
    ],
)
def test_thoughts_go_back_by_the_rule_of_the_row(
    name: str, model: str, field: str | None, told: tuple[str, ...]
) -> None:
    """bifrost#2093, litellm#37636, home-assistant#159812."""
    built = build(target_of(PROVIDERS[name], model), THINKING, tools=TOOLS)
    assert (b"2 and 2" in built.http.body) is (field is not None)
    if field is not None:
        assert json.loads(built.http.body)["messages"][1][field] == "2 and 2"
    assert built.dropped_params == told


def test_a_host_that_needs_thoughts_with_calls_gets_an_empty_field_at_least() -> None:
    """litellm#37636: a session that began at a host without thoughts."""
    bare = [{k: v for k, v in m.items() if k != "reasoning_content"} for m in THINKING]
    target = resolve_target(
        PROVIDERS["openai"], "deepseek-v4", {}, api_base="https://h.test", api_key=Secret("k")
    )
    sent = json.loads(build(target, bare, tools=TOOLS).http.body)["messages"]
    assert sent[1]["reasoning_content"] == ""
    assert "reasoning_content" not in sent[0]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_details", "thinking", "part", "blocks"])
def test_thoughts_under_another_name_get_the_name_of_the_host(field: str) -> None:
    given: dict[str, Any] = {"role": "assistant", "content": "4"}
    match field:
        case "reasoning_details":
            given[field] = [{"type": "reasoning.text", "text": "2 and 2"}]
        case "part":
            thought = {"type": "thinking", "thinking": [{"type": "text", "text": "2 and 2"}]}
            given["content"] = [thought, {"type": "text", "text": "4"}]
        case "blocks":
            given["thinking_blocks"] = [{"type": "thinking", "thinking": "2 and 2"}]
        case _:
            given[field] = "2 and 2"
    target = target_of(PROVIDERS["together_ai"], "kimi-k3")
    built = build(target, [*HELLO, given, *HELLO])
    sent = json.loads(built.http.body)["messages"][1]
    assert sent == {"role": "assistant", "content": "4", "reasoning_content": "2 and 2"}
    assert built.dropped_params == ()
    untold = build(TARGETS["groq"], [*HELLO, given, *HELLO])
    assert b"2 and 2" not in untold.http.body
    assert len(untold.dropped_params) == 1
